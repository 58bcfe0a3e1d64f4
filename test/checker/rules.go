package main

import "fmt"

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
	for i, member := range c.vms {
		switch {
		case !r.ties(member):
		case i == v:
			places[member.ID] = to
		default:
			places[member.ID] = c.at[i]
		}
	}
	return places
}

// distance is how many VMs would have to move for the rule to hold. VMs that take nothing of any host
// break nothing.
func (c *cluster) distance(r rule, places map[string]int) int {
	on, domains := map[int]int{}, map[string]int{}
	placed, strangers := 0, 0
	for _, v := range c.vms {
		h, ok := places[v.ID]
		if !ok || h < 0 || !r.ties(v) {
			continue
		}
		placed++
		on[h]++
		domains[c.hosts[h].FailureDomain]++
		if !r.names(c.hosts[h]) {
			strangers++
		}
	}
	switch r.Kind {
	case "vm-vm-affinity":
		return placed - most(on)
	case "vm-vm-anti-affinity":
		return placed - len(on)
	case "vm-host-affinity":
		return strangers
	case "vm-host-anti-affinity":
		return placed - strangers
	case "vm-vm-spread":
		return c.beyond(domains, placed)
	}
	return 0
}

// most is the number of VMs on the host that has most of them.
func most(on map[int]int) int {
	n := 0
	for _, vms := range on {
		n = max(n, vms)
	}
	return n
}

// beyond is how many VMs stand in failure domains that have more than an even spread gives them.
func (c *cluster) beyond(domains map[string]int, placed int) int {
	up := map[string]bool{}
	for _, h := range c.hosts {
		if h.State == "up" && !c.gaps["host/"+h.ID] {
			up[h.FailureDomain] = true
		}
	}
	if len(up) == 0 {
		return 0
	}
	share, sum := (placed+len(up)-1)/len(up), 0
	for _, n := range domains {
		sum += max(0, n-share)
	}
	return sum
}
