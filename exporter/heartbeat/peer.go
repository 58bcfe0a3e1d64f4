package heartbeat

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

// peer is what is known of another host's stamp.
type peer struct {
	// found is when we first saw that there is such a file, changed when we last saw its stamp become
	// another one; zero until we did.
	found, changed time.Time
	// modified is the storage's time of the stamp, as long as no change has been seen.
	modified time.Time
	last     stamp
}

// look reads a host's stamp. Only a whole stamp of that host counts: of garbage nobody knows who
// wrote it.
func (h *Heartbeat) look(host string) error {
	text, modified, err := h.files.read(h.path(host))
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	p := h.peers[host]
	if p == nil {
		p = &peer{found: now}
		h.peers[host] = p
	}
	if err != nil {
		return err
	}
	if p.changed.IsZero() {
		p.modified = modified
	}
	// A host that has just made its file has not written to it yet.
	if len(text) == 0 {
		return nil
	}
	s, err := parseStamp(text)
	if err != nil {
		return err
	}
	if s.host != host {
		return fmt.Errorf("the stamp is that of %s", s.host)
	}
	if p.last != (stamp{}) && p.last != s {
		p.changed = now
	}
	p.last = s
	return nil
}

// age is how long ago the host was last known to leave a stamp, and whether that is known. The two
// machines' clocks play no part. What counts is the time here since its stamp was seen to change.
// Before that was seen, the storage's times of both stamps tell: the own one's time, and what has
// passed here since, is the storage's time now. (On a cluster file system those are times of the
// hosts after all; then it is wrong by their difference, until the first change.) A stamp that has
// been there unchanged for longer than that says is as old as that.
func (p *peer) age(now time.Time, own own, patience time.Duration) (time.Duration, bool) {
	if !p.changed.IsZero() {
		return now.Sub(p.changed), true
	}
	here := now.Sub(p.found)
	if own.written.IsZero() || p.modified.IsZero() {
		// Whoever left its stamp long ago would look young at first, so some beats are waited for.
		return here, here > patience
	}
	there := own.modified.Add(now.Sub(own.written)).Sub(p.modified)
	return max(here, there), true
}

// shown lists the peers by name, without those that have gone and without ourselves, whose stamp of an
// earlier life was a peer's as long as we went under another name.
func (h *Heartbeat) shown(now time.Time) []stat.Peer {
	var list []stat.Peer
	for _, host := range slices.Sorted(maps.Keys(h.peers)) {
		age, known := h.peers[host].age(now, h.own, 3*h.interval)
		if host != h.name && known && age < goneAfter {
			list = append(list, stat.Peer{Host: host, AgeSeconds: age.Seconds()})
		}
	}
	return list
}

// forget drops the peers whose files were removed. A listing without any file is not believed.
func (h *Heartbeat) forget(hosts []string) {
	maps.DeleteFunc(h.peers, func(host string, _ *peer) bool {
		_, found := slices.BinarySearch(hosts, host)
		return !found
	})
	maps.DeleteFunc(h.errs, func(j job, _ string) bool {
		_, found := slices.BinarySearch(hosts, j.host)
		return j.host != "" && !found
	})
}
