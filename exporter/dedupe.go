package exporter

import "github.com/evenkeel/evenkeel/internal/cluster"

// dedupe leaves each VM on one host only: while it migrates, and where a definition stays behind,
// two hosts know it. VM series carry no host, so the same VM twice in one exporter would be the same
// series twice. The host that runs it wins, then one that holds it paused. Another host that holds it
// actively is kept aside and published with its name, lest a VM that runs twice look like any other.
func dedupe(readings []reading) {
	best := map[string]cluster.VMState{}
	for _, r := range readings {
		for _, v := range r.host.VMs {
			if was, ok := best[v.UUID]; !ok || rank(v.State) < rank(was) {
				best[v.UUID] = v.State
			}
		}
	}
	taken := map[string]bool{}
	for i := range readings {
		kept := readings[i].host.VMs[:0]
		for _, v := range readings[i].host.VMs {
			switch {
			case v.State == best[v.UUID] && !taken[v.UUID]:
				taken[v.UUID] = true
				kept = append(kept, v)
			case v.State.Active():
				readings[i].host.Also = append(readings[i].host.Also, v)
			}
		}
		readings[i].host.VMs = kept
	}
}

func rank(s cluster.VMState) int {
	switch {
	case s == cluster.VMRunning:
		return 0
	case s.Active():
		return 1
	}
	return 2
}
