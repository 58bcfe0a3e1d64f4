package plan_test

import (
	"fmt"
	"testing"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// h1 has most room, and would be given all eight VMs of h3, which is off; it may start three at once, and so may h2.
func TestStartsSpreadSoThatNoneWaitsForItsTurn(t *testing.T) {
	s := roomy()
	s.Hosts[2].State = cluster.HostDown
	s.VMs = nil
	var wants []plan.Want
	for i := range 8 {
		id := fmt.Sprintf("v%d", i)
		s.VMs = append(s.VMs, cluster.VM{ID: id, Name: id, Host: "h3", State: cluster.VMRunning, VCPUs: 1, MemoryBytes: 64 << 20, MemoryDemandBytes: 32 << 20, CPUDemandCores: 0.01, Movable: true})
		wants = append(wants, plan.Want{VM: id})
	}
	s.VMs = append(s.VMs, cluster.VM{ID: "busy", Name: "busy", Host: "h2", State: cluster.VMRunning, VCPUs: 2, MemoryBytes: 1 << 30, MemoryDemandBytes: 1 << 30, CPUDemandCores: 1.5, Movable: true})
	count := func(p plan.Policy) (on [2]int) {
		steps, refused := plan.Restarts(s, p, wants)
		if len(steps) != len(wants) || len(refused) > 0 {
			t.Fatalf("%v %v", steps, refused)
		}
		for _, step := range steps {
			on[map[string]int{"h1": 0, "h2": 1}[step.To]]++
		}
		return on
	}
	p := resting()
	if got := count(p); got != [2]int{8, 0} {
		t.Errorf("with no limit on starts: %v", got)
	}
	p.StartsAtOnce = 3
	if got := count(p); got != [2]int{5, 3} { // the seventh and the eighth wait wherever they start
		t.Errorf("with three at once: %v", got)
	}
}
