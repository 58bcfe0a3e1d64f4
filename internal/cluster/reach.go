package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// reach tells which VMs can run on which hosts. VMs that need the same and hosts that have the same
// form classes, and the question is answered once for each pair of them.
type reach struct {
	vmClass, hostClass []int
	can                [][]bool // of each class of VMs, the classes of hosts that will do
}

func newReach(s Snapshot) reach {
	r := reach{vmClass: make([]int, len(s.VMs)), hostClass: make([]int, len(s.Hosts))}
	var hosts []Host
	known := map[string]int{}
	for i, h := range s.Hosts {
		if i > 0 && alike(&s.Hosts[i-1], &h) {
			r.hostClass[i] = r.hostClass[i-1]
			continue
		}
		key := fmt.Sprintf("%v\x00%v\x00%v\x00%s\x00%s\x00%v\x00%v", h.Storage, h.Networks, h.CPUModels, h.CPUCompat, h.Hypervisor, h.CPUCores, h.MemoryBytes)
		if _, ok := known[key]; !ok {
			known[key] = len(hosts)
			hosts = append(hosts, h)
		}
		r.hostClass[i] = known[key]
	}
	needs := map[string]int{}
	for i := range s.VMs {
		v := &s.VMs[i]
		if i > 0 && needAlike(&s.VMs[i-1], v) {
			r.vmClass[i] = r.vmClass[i-1]
			continue
		}
		key := strings.Join(v.Storage, "\x01") + "\x00" + strings.Join(v.Networks, "\x01") + "\x00" + v.CPUCompat + "\x00" + v.CPUModel + "\x00" + v.Hypervisor
		class, ok := needs[key]
		if !ok {
			class = len(r.can)
			needs[key] = class
			row := make([]bool, len(hosts))
			for j, h := range hosts {
				_, why := unreachable(*v, h)
				row[j] = why == ""
			}
			r.can = append(r.can, row)
		}
		r.vmClass[i] = class
	}
	return r
}

// alike and needAlike tell of two that are next to each other whether they are of one class, which is cheaper to find out than to name it.
func alike(a, b *Host) bool {
	return a.CPUCores == b.CPUCores && a.MemoryBytes == b.MemoryBytes && a.CPUCompat == b.CPUCompat && a.Hypervisor == b.Hypervisor &&
		slices.Equal(a.Storage, b.Storage) && slices.Equal(a.Networks, b.Networks) && slices.Equal(a.CPUModels, b.CPUModels)
}

func needAlike(a, b *VM) bool {
	return a.CPUCompat == b.CPUCompat && a.CPUModel == b.CPUModel && a.Hypervisor == b.Hypervisor && slices.Equal(a.Storage, b.Storage) && slices.Equal(a.Networks, b.Networks)
}

func (r reach) ok(v, h int) bool { return r.can[r.vmClass[v]][r.hostClass[h]] }

func (r reach) obstacle(v, h int, s Snapshot) (constraint, why string) {
	if r.ok(v, h) {
		return "", ""
	}
	return unreachable(s.VMs[v], s.Hosts[h])
}

// unreachable says why the VM cannot run on the host however much room there is.
func unreachable(v VM, h Host) (constraint, why string) {
	if v.Hypervisor != "" && h.Hypervisor != "" && v.Hypervisor != h.Hypervisor {
		return "hypervisor", fmt.Sprintf("%s runs %s and the VM runs on %s", h.ID, h.Hypervisor, v.Hypervisor)
	}
	if v.CPUCompat != "" && v.CPUCompat != h.CPUCompat && !(v.CPUModel != "" && slices.Contains(h.CPUModels, v.CPUModel)) {
		why := fmt.Sprintf("%s has CPUs of group %q and the VM needs %q", h.ID, h.CPUCompat, v.CPUCompat)
		if v.CPUModel != "" {
			why += " or the model " + v.CPUModel
		}
		return "CPU model", why
	}
	for _, s := range v.Storage {
		if !slices.Contains(h.Storage, s) {
			return "storage", h.ID + " does not reach storage " + s
		}
	}
	for _, n := range v.Networks {
		if !slices.Contains(h.Networks, n) {
			return "network", h.ID + " does not reach network " + n
		}
	}
	return "", ""
}
