package recovery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// drilled is a cluster of three hosts whose first runs everything.
func drilled() cluster.Snapshot {
	s := cluster.Snapshot{Cluster: "c", At: time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)}
	for _, id := range []string{"h1", "h2", "h3"} {
		s.Hosts = append(s.Hosts, cluster.Host{ID: id, State: cluster.HostUp, CPUCores: 16, MemoryBytes: 16 << 30, Storage: []string{"nfs"}, Networks: []string{"lan"}})
	}
	vm := func(name, priority string, gib int64) cluster.VM {
		return cluster.VM{ID: "id-" + name, Name: name, Host: "h1", State: cluster.VMRunning, VCPUs: 1, MemoryBytes: gib << 30, CPUDemandCores: 0.5, Movable: true,
			RestartPriority: priority, Storage: []string{"nfs"}, Networks: []string{"lan"}}
	}
	s.VMs = []cluster.VM{vm("app", "high", 2), vm("db", "high", 4), vm("big", "low", 20), vm("test", cluster.RestartDisabled, 1), vm("web", "", 1)}
	local := vm("local", "", 1)
	local.Movable, local.ImmovableReason = false, "disk vda is on h1 alone"
	off := vm("off", "", 1)
	off.State = cluster.VMShutoff
	s.VMs = append(s.VMs, local, off)
	s.Sort()
	return s
}

func rules() recovery.Policy {
	return recovery.Policy{Dependencies: map[string][]string{"app": {"db"}}, Ready: 2 * time.Second, Plan: plan.Policy{Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}}}
}

func TestADrillSaysWhatStartsWhereAndWhen(t *testing.T) {
	s := drilled()
	got, err := recovery.Assess(s, "host", "h1", rules(), recovery.Timing{Detect: 10 * time.Second, Start: 3 * time.Second, Cluster: 4, Host: 1})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range got.VMs {
		lines = append(lines, fmt.Sprintf("%s %t %.0f", v.Name, v.To != "", v.Seconds))
	}
	// app waits for db and its time to get ready; web for the class above it.
	want := "db true 13, app true 18, web true 23, local false 0, test false 0, big false 0"
	if strings.Join(lines, ", ") != want || got.Unplaced != 3 || got.DetectSeconds != 10 {
		t.Errorf("%s; %d unplaced\nwant %s", strings.Join(lines, ", "), got.Unplaced, want)
	}
	if s.VMs[0].Host != "h1" || s.Hosts[0].State != cluster.HostUp {
		t.Error("the drill changed the cluster")
	}
}

func TestOnlySoManyStartAtOnce(t *testing.T) {
	s := drilled()
	s.VMs = nil
	for i := range 8 {
		s.VMs = append(s.VMs, cluster.VM{ID: fmt.Sprintf("v%d", i), Host: "h1", State: cluster.VMRunning, VCPUs: 1, MemoryBytes: 1 << 30, CPUDemandCores: 0.5, Movable: true})
	}
	for _, c := range []struct {
		cluster, host int
		want          float64
	}{{0, 0, 2}, {8, 4, 2}, {4, 4, 3}, {1, 0, 9}, {0, 1, 5}} {
		got, err := recovery.Assess(s, "host", "h1", rules(), recovery.Timing{Detect: time.Second, Start: time.Second, Cluster: c.cluster, Host: c.host})
		if err != nil {
			t.Fatal(err)
		}
		last := 0.0
		for _, v := range got.VMs {
			last = max(last, v.Seconds)
		}
		if last != c.want {
			t.Errorf("%d at once, %d a host: the last after %.0f s, want %.0f", c.cluster, c.host, last, c.want)
		}
	}
}

func TestWhatDependsOnAPoolOrANetwork(t *testing.T) {
	for subject, want := range map[[2]string]int{{"pool", "nfs"}: 7, {"network", "lan"}: 7} {
		got, err := recovery.Assess(drilled(), subject[0], subject[1], rules(), recovery.Timing{})
		if err != nil || len(got.VMs) != want {
			t.Errorf("%v: %d VMs, %v", subject, len(got.VMs), err)
		}
	}
	for _, subject := range [][2]string{{"pool", "ceph"}, {"network", "dmz"}, {"host", "h9"}, {"rack", "a"}} {
		if _, err := recovery.Assess(drilled(), subject[0], subject[1], rules(), recovery.Timing{}); err == nil {
			t.Errorf("%v is there", subject)
		}
	}
}
