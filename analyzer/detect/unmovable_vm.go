package detect

import (
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// unmovableVM finds running VMs that cannot be moved, and why.
func unmovableVM(_ *cluster.Placement, s cluster.Snapshot, _ Policy) []cluster.Finding {
	var found []cluster.Finding
	for i := range s.VMs {
		v := &s.VMs[i]
		if v.State != cluster.VMRunning || v.Movable || v.ImmovableReason == "" {
			continue
		}
		found = append(found, cluster.Finding{Detector: "unmovable_vm", Subject: cluster.VMSubject(v.ID), Reason: v.Label() + " cannot be moved: " + v.ImmovableReason,
			Evidence: []cluster.Evidence{{Name: "movable", Value: 0, Limit: cluster.Known(1), Unit: "boolean", Query: s.Query("movable")}}})
	}
	return found
}
