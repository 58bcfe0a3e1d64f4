package rightsize_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/analyzer/rightsize"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func policy() rightsize.Policy {
	return rightsize.Policy{IdleCPUCores: 0.05, IdleNetworkBytesPerSecond: 5 << 10, IdleDiskBytesPerSecond: 20 << 10, Plan: plan.Policy{Threshold: 3, MaxMoves: 8,
		Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, Admission: admission.Policy{HostFailures: 1}, Power: plan.Power{Target: 0.63, MinHostsOn: 1}}}
}

// crowded is four hosts of 32 GiB with three VMs of 7.5 GiB each: without one of them the others were too full.
func crowded() cluster.Snapshot {
	s := cluster.Snapshot{Cluster: "c"}
	for h := range 4 {
		host := fmt.Sprintf("host%d", h+1)
		s.Hosts = append(s.Hosts, cluster.Host{ID: host, State: cluster.HostUp, CPUCores: 16, MemoryBytes: 32 << 30})
		for v := range 3 {
			id := fmt.Sprintf("vm%d%d", h+1, v)
			s.VMs = append(s.VMs, cluster.VM{ID: id, Name: id, Host: host, State: cluster.VMRunning, VCPUs: 4, MemoryBytes: 15 << 29, MemoryDemandBytes: 4 << 30, CPUDemandCores: 0.5, Movable: true})
		}
	}
	return s
}

func busy(s cluster.Snapshot) []cluster.VMUsage {
	var all []cluster.VMUsage
	for _, v := range s.VMs {
		all = append(all, cluster.VMUsage{VM: v.ID, CPUCores: 2, NetworkBytesPerSecond: 1e6, DiskBytesPerSecond: 1e6, MemoryBytes: cluster.Known(7 << 30)})
	}
	return all
}

func labels(list []rightsize.VM) []string {
	out := []string{}
	for _, v := range list {
		out = append(out, v.Name)
	}
	return out
}

func TestWithTheseGoneAHostCanSleep(t *testing.T) {
	s := crowded()
	u := busy(s)
	for _, i := range []int{1, 4, 7, 8, 9, 10} {
		u[i].CPUCores, u[i].NetworkBytesPerSecond, u[i].DiskBytesPerSecond = 0.01, 100, 1000
	}
	r := rightsize.Make(s, u, policy())
	if len(r.Idle) != 6 || len(r.Oversized) != 0 || r.Known != 12 || r.Running != 12 || len(r.Sleepable) != 0 {
		t.Fatalf("%+v", r)
	}
	if r.Sleep == nil || len(r.Sleep.Resized) != 0 || len(r.Sleep.Gone) == 0 || len(r.Sleep.Gone) >= 6 {
		t.Fatalf("%+v", r.Sleep)
	}
	// It is so with these gone, and not with one fewer.
	for n, want := range map[int]int{len(r.Sleep.Gone): 1, len(r.Sleep.Gone) - 1: 0} {
		less := crowded()
		less.VMs = slices.DeleteFunc(less.VMs, func(v cluster.VM) bool { return slices.Contains(r.Sleep.Gone[:n], v.Name) })
		if got := plan.Sleepable(less, policy().Plan); len(got) != want {
			t.Errorf("with %d gone: %v", n, got)
		}
	}
}

func TestWhatIsOversizedIsResizedWhereNothingIsIdle(t *testing.T) {
	s := crowded()
	u := busy(s)
	for i := range 8 {
		u[i].MemoryBytes = cluster.Known(1 << 30)
	}
	u[0].CPUCores = 0.5
	r := rightsize.Make(s, u, policy())
	if len(r.Idle) != 0 || len(r.Oversized) != 8 || r.Sleep == nil || len(r.Sleep.Gone) != 0 || len(r.Sleep.Resized) == 0 || len(r.Sleep.Resized) == 8 {
		t.Fatalf("%+v %+v", r, r.Sleep)
	}
	if v := r.Oversized[0]; v.Name != "vm10" || v.WantedVCPUs != 1 || v.WantedMemoryBytes != 5<<28 {
		t.Errorf("%+v", v)
	}
	if v := r.Oversized[1]; v.WantedVCPUs != 4 {
		t.Errorf("at its peak it uses 2 of its 4 vCPUs: %+v", v)
	}
}

func TestWhatIsNoReasonToTouchAVM(t *testing.T) {
	for name, change := range map[string]func(*cluster.VM, *cluster.VMUsage){
		"it uses the network":       func(_ *cluster.VM, u *cluster.VMUsage) { u.NetworkBytesPerSecond = 6 << 10 },
		"it uses its disk":          func(_ *cluster.VM, u *cluster.VMUsage) { u.DiskBytesPerSecond = 21 << 10 },
		"it uses CPU":               func(_ *cluster.VM, u *cluster.VMUsage) { u.CPUCores = 1.5 },
		"it is off":                 func(v *cluster.VM, _ *cluster.VMUsage) { v.State = cluster.VMShutoff },
		"nobody knows what it used": func(_ *cluster.VM, u *cluster.VMUsage) { u.VM = "gone" },
	} {
		s := crowded()
		u := busy(s)
		u[0].CPUCores, u[0].NetworkBytesPerSecond, u[0].DiskBytesPerSecond = 0.01, 100, 1000
		change(&s.VMs[0], &u[0])
		s.VMs[0].VCPUs = 2
		r := rightsize.Make(s, u, policy())
		if len(r.Idle) != 0 || slices.Contains(labels(r.Oversized), "vm10") && name != "it uses the network" && name != "it uses its disk" {
			t.Errorf("%s: %v %v", name, labels(r.Idle), labels(r.Oversized))
		}
	}
	s := crowded()
	u := busy(s)
	u[0].MemoryBytes = cluster.Number{}
	if r := rightsize.Make(s, u, policy()); len(r.Oversized) != 0 {
		t.Errorf("a guest that does not tell what memory it uses: %+v", r.Oversized)
	}
}
