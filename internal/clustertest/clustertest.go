// Package clustertest draws random clusters for the property tests of the pure rooms. The clusters
// are small and crowded on purpose: hosts that are full, down, unseen or out of reach, VMs that
// cannot move, and rules that may be broken already.
package clustertest

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

// At is the time of every snapshot drawn.
func At() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }

const gib = 1 << 30

// Snapshots draws valid snapshots.
func Snapshots() *rapid.Generator[cluster.Snapshot] {
	return rapid.Custom(func(t *rapid.T) cluster.Snapshot {
		s := cluster.Snapshot{Cluster: "random", At: At()}
		for i := range rapid.IntRange(1, 6).Draw(t, "hosts") {
			s.Hosts = append(s.Hosts, host(t, fmt.Sprintf("h%d", i)))
		}
		for i := range rapid.IntRange(0, 18).Draw(t, "vms") {
			s.VMs = append(s.VMs, vm(t, fmt.Sprintf("v%02d", i), s.Hosts))
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
			if r, ok := rule(t, fmt.Sprintf("r%d", i), s); ok {
				s.Rules = append(s.Rules, r)
			}
		}
		s.Gaps = gaps(t, s)
		s.Sort()
		if err := s.Validate(); err != nil {
			t.Fatalf("the generator drew an invalid snapshot: %v", err)
		}
		return s
	})
}

func host(t *rapid.T, id string) cluster.Host {
	state := cluster.HostUp
	if rapid.IntRange(0, 9).Draw(t, "out of order") == 0 {
		state = rapid.SampledFrom([]cluster.HostState{cluster.HostUnknown, cluster.HostDown, cluster.HostMaintenance}).Draw(t, "state")
	}
	return cluster.Host{
		ID: id, State: state, CPUCores: float64(rapid.IntRange(1, 16).Draw(t, "cores")),
		MemoryBytes:         int64(rapid.IntRange(4, 32).Draw(t, "memory")) * gib,
		ReservedCPUCores:    float64(rapid.IntRange(0, 4).Draw(t, "reserved")) / 8,
		ReservedMemoryBytes: int64(rapid.IntRange(0, 2).Draw(t, "reserved memory")) * gib,
		CPUCompat:           rapid.SampledFrom([]string{"g1", "g1", "g1", "g2"}).Draw(t, "compat"),
		CPUModels:           subset(t, "models", "model-a"),
		FailureDomain:       rapid.SampledFrom([]string{"rackA", "rackB"}).Draw(t, "rack"), Tags: subset(t, "host tags", "fast"),
		Storage: subset(t, "storage", "nfs1", "nfs2"), Networks: subset(t, "networks", "br0", "br1"),
	}
}

func vm(t *rapid.T, id string, hosts []cluster.Host) cluster.VM {
	// Most VMs stand on the first hosts, so that clusters are out of balance.
	at := hosts[min(rapid.IntRange(0, len(hosts)-1).Draw(t, "at"), rapid.IntRange(0, len(hosts)-1).Draw(t, "or at"))]
	vcpus := rapid.IntRange(1, 8).Draw(t, "vcpus")
	memory := int64(rapid.IntRange(1, 12).Draw(t, "memory")) * gib
	v := cluster.VM{
		ID: id, Name: "vm-" + id, Host: at.ID, VCPUs: vcpus, MemoryBytes: memory,
		State:             cluster.VMRunning,
		CPUDemandCores:    float64(vcpus) * float64(rapid.IntRange(0, 100).Draw(t, "use")) / 100,
		MemoryDemandBytes: memory * int64(rapid.IntRange(0, 100).Draw(t, "memory use")) / 100,
		Movable:           rapid.IntRange(0, 9).Draw(t, "movable") > 0,
	}
	if rapid.IntRange(0, 9).Draw(t, "not running") == 0 {
		v.State = rapid.SampledFrom([]cluster.VMState{cluster.VMPaused, cluster.VMShutoff, cluster.VMUnknown}).Draw(t, "state")
	}
	if rapid.Bool().Draw(t, "steal known") {
		v.CPUStealRatio = cluster.Known(float64(rapid.IntRange(0, 50).Draw(t, "steal")) / 100)
	}
	if rapid.IntRange(0, 5).Draw(t, "dirty") == 0 {
		v.DirtyBytesPerSecond = cluster.Known(float64(rapid.IntRange(0, 2000).Draw(t, "dirty rate")) * (1 << 20))
	}
	v.Tags = subset(t, "tags", "web")
	if rapid.IntRange(0, 7).Draw(t, "moved") == 0 {
		v.MovedAt = At().Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "minutes ago")) * time.Minute)
		v.MovesLastDay = rapid.IntRange(1, 5).Draw(t, "moves")
		if was := rapid.SampledFrom(hosts).Draw(t, "was on"); was.ID != at.ID {
			v.RecentHosts = []string{was.ID}
		}
	}
	if rapid.Bool().Draw(t, "picky") { // what it needs is there where it stands
		v.CPUCompat = at.CPUCompat
		if len(at.CPUModels) > 0 {
			v.CPUModel = at.CPUModels[0]
		}
		if len(at.Storage) > 0 {
			v.Storage = []string{rapid.SampledFrom(at.Storage).Draw(t, "disk")}
		}
		if len(at.Networks) > 0 {
			v.Networks = []string{rapid.SampledFrom(at.Networks).Draw(t, "plug")}
		}
	}
	return v
}

func rule(t *rapid.T, name string, s cluster.Snapshot) (cluster.Rule, bool) {
	if len(s.VMs) < 2 {
		return cluster.Rule{}, false
	}
	r := cluster.Rule{
		Name: name, Strength: rapid.SampledFrom([]cluster.RuleStrength{cluster.Must, cluster.Should}).Draw(t, "strength"),
		Kind: rapid.SampledFrom([]cluster.RuleKind{cluster.VMVMAffinity, cluster.VMVMAntiAffinity, cluster.VMHostAffinity, cluster.VMHostAntiAffinity, cluster.VMVMSpread}).Draw(t, "kind"),
	}
	host := r.Kind == cluster.VMHostAffinity || r.Kind == cluster.VMHostAntiAffinity
	if host {
		switch rapid.IntRange(0, 2).Draw(t, "hosts by") {
		case 0:
			r.Hosts = []string{rapid.SampledFrom(s.Hosts).Draw(t, "host").ID}
		case 1:
			r.HostTags = []string{"fast"}
		case 2:
			r.FailureDomains = []string{"rackA"}
		}
	}
	switch rapid.IntRange(0, 5).Draw(t, "VMs by") {
	case 0:
		r.VMTags = []string{"web"}
		return r, true
	case 1:
		r.VMNames = []string{"vm-v0[0-3]"}
		return r, true
	}
	first := rapid.IntRange(0, len(s.VMs)-2).Draw(t, "first")
	for _, v := range s.VMs[first : first+2] {
		r.VMs = append(r.VMs, v.ID)
	}
	return r, true
}

func gaps(t *rapid.T, s cluster.Snapshot) []cluster.Gap {
	var found []cluster.Gap
	for _, h := range s.Hosts {
		if h.State == cluster.HostUnknown || rapid.IntRange(0, 9).Draw(t, "host gap") == 0 {
			found = append(found, cluster.Gap{Subject: cluster.HostSubject(h.ID), Reason: "not seen"})
		}
	}
	for _, v := range s.VMs {
		if rapid.IntRange(0, 19).Draw(t, "vm gap") == 0 {
			found = append(found, cluster.Gap{Subject: cluster.VMSubject(v.ID), Reason: "not seen"})
		}
	}
	return found
}

func subset(t *rapid.T, what string, of ...string) []string {
	var some []string
	for _, s := range of {
		if rapid.IntRange(0, 2).Draw(t, what) > 0 {
			some = append(some, s)
		}
	}
	return some
}
