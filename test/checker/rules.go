package main

import (
	"fmt"
	"slices"
)

// broken names the must rules that would be further from holding with the VM on the host.
func (c *cluster) broken(v, to int) []string {
	var faults []string
	for _, i := range c.rulesOf[c.vms[v].ID] {
		r := c.rules[i]
		if r.Strength == "should" {
			continue
		}
		now := c.distance(r, c.placesOf(r, -1, 0))
		if then := c.distance(r, c.placesOf(r, v, to)); then > now {
			faults = append(faults, fmt.Sprintf("rule %s (%s, must) would be broken by it: %d VMs out of place instead of %d", r.Name, r.Kind, then, now))
		}
	}
	return faults
}

// placesOf returns the host of each of the rule's VMs, with VM v moved to another host.
func (c *cluster) placesOf(r rule, v, to int) map[string]int {
	places := map[string]int{}
	for _, id := range r.VMs {
		if i, ok := c.vmAt[id]; ok && i == v {
			places[id] = to
		} else if ok {
			places[id] = c.at[i]
		}
	}
	return places
}

// distance is how many VMs would have to move for the rule to hold. VMs that take nothing of any host
// break nothing.
func (c *cluster) distance(r rule, places map[string]int) int {
	on := map[int]int{}
	placed, strangers := 0, 0
	for _, id := range r.VMs {
		h, ok := places[id]
		if !ok || h < 0 {
			continue
		}
		placed++
		on[h]++
		if !slices.Contains(r.Hosts, c.hosts[h].ID) {
			strangers++
		}
	}
	switch r.Kind {
	case "vm-vm-affinity":
		return max(0, len(on)-1)
	case "vm-vm-anti-affinity":
		return placed - len(on)
	case "vm-host-affinity":
		return strangers
	case "vm-host-anti-affinity":
		return placed - strangers
	}
	return 0
}
