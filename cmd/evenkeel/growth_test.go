package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/simulator"
)

// growthRack is how many hosts know of each other by heartbeats and questions: those of all hosts of all others would grow with the square.
const growthRack = 10

// growthCluster is the hosts of so many racks as it takes, and what their exporters tell.
func growthCluster(t *testing.T, size int) (hosts []string, page []line) {
	t.Helper()
	for rack := range size / growthRack {
		live, names := growthOfRack(t, rack)
		for _, host := range names {
			page = append(page, pageOf(t, live, host)...)
		}
		hosts = append(hosts, names...)
	}
	return hosts, page
}

// growthOfRack is a rack of simulated hosts: two fifths of them are full of VMs and want more than they have.
func growthOfRack(t *testing.T, rack int) (*simulator.Live, []string) {
	spread := growthRack * benchVMsOnHost * 3 / 5
	scenario := fmt.Sprintf(`
duration: 1h
seed: %[1]d
hosts:
  - {name: r%[1]d-node, count: %[2]d, cores: 32, memory: 256GiB, storage: [nfs], networks: [lan]}
vms:
  - {name: r%[1]d-vm, count: %[3]d, vcpus: 4, memory: 8GiB, storage: [nfs], networks: [lan], load: {noise: {mean: 0.3, sd: 0.1}}}
  - {name: r%[1]d-packed, count: %[4]d, vcpus: 4, memory: 8GiB, storage: [nfs], networks: [lan], place: packed, load: {noise: {mean: 0.3, sd: 0.1}}}
`, rack+1, growthRack, spread, growthRack*benchVMsOnHost-spread)
	s, err := simulator.ParseScenario("growth", "", []byte(scenario))
	if err != nil {
		t.Fatal(err)
	}
	c, err := simulator.New(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	live := simulator.NewLive(c)
	live.Step(live.Now().Add(time.Minute))
	return live, c.Hosts()
}
