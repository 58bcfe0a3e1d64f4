package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func vmState() family {
	state := desc("evenkeel_vm_state", "The VM's state: 1 for the state that it is in, 0 for the others.", "vm", "state")
	names := cluster.VMStates()
	return func(h stat.Host, out *sink) {
		for _, v := range h.VMs {
			for i, name := range names {
				out.gauge(state, boolean(cluster.VMState(i) == v.State), v.UUID, name)
			}
		}
	}
}
