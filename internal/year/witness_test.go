package year

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/simulator"
)

// world is three hosts of 32 GiB: a (20 GiB) on the first, b and c (12 GiB each) on the second. Any host may fail, for the third is empty.
func world(t *testing.T) (*witness, *simulator.Cluster) {
	t.Helper()
	w := World{HostFailures: 1, MinHostsOn: 2}
	w.Scenario = simulator.Scenario{Seed: 1, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Step: simulator.Duration(time.Minute), Speed: 1, Migration: simulator.Migration{Bandwidth: gib},
		Power: simulator.Power{Shutdown: simulator.Duration(time.Minute), Boot: simulator.Duration(time.Minute)}}
	for _, name := range []string{"h1", "h2", "h3"} {
		w.Scenario.Hosts = append(w.Scenario.Hosts, simulator.Host{Name: name, Count: 1, Cores: 8, Memory: 32 * gib, Watts: make([]float64, 11), Unproven: name == "h2"})
	}
	nothing := 0.0
	for i, name := range []string{"a", "b", "c"} {
		w.Scenario.VMs = append(w.Scenario.VMs, simulator.VM{Name: name, Count: 1, VCPUs: 1, Memory: []simulator.Bytes{20 * gib, 12 * gib, 12 * gib}[i], MemoryUse: 0.1, Place: []string{"h1", "h2", "h2"}[i],
			Load: simulator.Load{Constant: &nothing}})
	}
	c, err := simulator.New(w.Scenario, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := newWitness(w, nil)
	seen.Passed(c)
	return seen, c
}

func TestWhatTheWitnessNotices(t *testing.T) {
	pass := func(seen *witness, c *simulator.Cluster) {
		c.Step(c.Now().Add(5 * time.Minute))
		seen.Passed(c)
	}
	off := func(host string) func(*witness, *simulator.Cluster) {
		return func(seen *witness, c *simulator.Cluster) {
			seen.Off(host, c)
			if err := c.ShutDown(host); err != nil {
				t.Fatal(err)
			}
			pass(seen, c)
		}
	}
	move := func(vm int, to string) func(*witness, *simulator.Cluster) {
		return func(seen *witness, c *simulator.Cluster) {
			var ids []string
			for _, s := range c.Stands() {
				for _, v := range s.VMs {
					ids = append(ids, v.ID)
				}
			}
			seen.Begins(cluster.Action{Kind: cluster.Migrate, VM: ids[vm], To: to}, c)
			if err := c.Migrate(ids[vm], to); err != nil {
				t.Fatal(err)
			}
			pass(seen, c)
		}
	}
	begins := func(kind cluster.Kind, host string) func(*witness, *simulator.Cluster) {
		return func(seen *witness, c *simulator.Cluster) { seen.Begins(cluster.Action{Kind: kind, From: host}, c) }
	}
	for name, do := range map[string][]func(*witness, *simulator.Cluster){
		"":                           {pass, move(0, "h3"), begins(cluster.Standby, "h1"), pass},
		"with 1 VMs on it":           {off("h1")},
		"is off with":                {off("h1")},
		"h1 could not fail":          {off("h3")},
		"did not wake the last time": {off("h2")},
		"1 hosts are left on":        {off("h3"), off("h1")},
		"did not turn it off":        {begins(cluster.Wake, "h3")},
		"or was never woken":         {begins(cluster.Standby, "h2")},
		"which is off": {off("h3"), func(seen *witness, c *simulator.Cluster) {
			seen.Begins(cluster.Action{Kind: cluster.Migrate, Name: "a", To: "h3"}, c)
		}},
		"it could before VMs were moved":  {move(2, "h3")},
		"no business of power management": {begins(cluster.Fence, "h1")},
	} {
		seen, c := world(t)
		for _, one := range do {
			one(seen, c)
		}
		if got := strings.Join(seen.broken, "; "); (got == "") != (name == "") || !strings.Contains(got, name) {
			t.Errorf("%q: %s", name, got)
		}
	}
}
