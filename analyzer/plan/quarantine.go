package plan

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// quarantine empties hosts that are broken in a way that puts their VMs at risk, as far as others have room
// within the usual limits.
func quarantine(w *work) {
	if w.policy.Threshold < 2 {
		return
	}
	for h := range w.snap.Hosts {
		if w.shunned[h] && w.place.UsableAt(h) {
			w.empty(h, "quarantine", 2, fmt.Sprintf("%s is unhealthy: %s", w.snap.Hosts[h].ID, w.findingOf("unhealthy_host", w.snap.Hosts[h].ID)))
		}
	}
}

func (w *work) findingOf(detector, host string) string {
	for _, f := range w.findings {
		if f.Detector == detector && f.Subject == cluster.HostSubject(host) {
			return f.Reason
		}
	}
	return ""
}
