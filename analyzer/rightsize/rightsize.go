// Package rightsize finds VMs that do nothing, VMs that have more than they use, and what would be gained without: it recommends,
// and nothing in evenkeel removes or resizes a VM. It is pure.
package rightsize

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Policy says what is idle, and how much room is left above what was used.
type Policy struct {
	// A VM is idle that used no more than all of these.
	IdleCPUCores                                      float64
	IdleNetworkBytesPerSecond, IdleDiskBytesPerSecond float64
	Plan                                              plan.Policy
}

const (
	// busyVCPU is the share of its vCPUs that a resized VM has in use at its peak; memoryRoom is how much more memory it has than its
	// guest had in use at most.
	busyVCPU   = 0.7
	memoryRoom = 1.25
	// worthCPU and worthMemory are the shares of what it has that a VM keeps at most for a resize to be worth the trouble.
	worthCPU    = 0.5
	worthMemory = 0.75
	// Sizes are given in steps, and not below a least one.
	memoryStep, leastMemory = 256 << 20, 512 << 20
)

// VM is one that is idle or has too much.
type VM struct {
	VM    string          `json:"vm"`
	Name  string          `json:"name"`
	Host  string          `json:"host"`
	Usage cluster.VMUsage `json:"usage"`
	// VCPUs and MemoryBytes are what it has; the wanted ones what it could have instead, the same where nothing is to be gained.
	VCPUs             int   `json:"vcpus"`
	MemoryBytes       int64 `json:"memory_bytes"`
	WantedVCPUs       int   `json:"wanted_vcpus"`
	WantedMemoryBytes int64 `json:"wanted_memory_bytes"`
}

// Sleep is what would let one host more sleep.
type Sleep struct {
	Host string `json:"host"`
	// Gone are the VMs to remove, Resized those to resize, by name.
	Gone    []string `json:"gone"`
	Resized []string `json:"resized"`
}

// Report is what was found.
type Report struct {
	// At is when the usage was read, over the WindowSeconds before; Sources are the PromQL behind its numbers. Who reads it fills them in.
	At            time.Time        `json:"at"`
	WindowSeconds float64          `json:"window_seconds"`
	Sources       []cluster.Source `json:"sources"`
	// Known counts the VMs of which enough is known, Running those that run.
	Known   int `json:"known"`
	Running int `json:"running"`
	// Idle and Oversized are sorted by what they free, the most first. An idle VM is not oversized as well.
	Idle      []VM `json:"idle"`
	Oversized []VM `json:"oversized"`
	// Sleepable are the hosts that could sleep as it is, one after the other.
	Sleepable []string `json:"sleepable"`
	// Sleep is what would let one more sleep; nil where nothing of it would.
	Sleep *Sleep `json:"sleep,omitempty"`
}

// Make judges the VMs of the snapshot by what they used.
func Make(s cluster.Snapshot, usage []cluster.VMUsage, p Policy) Report {
	r := Report{Idle: []VM{}, Oversized: []VM{}, Sleepable: orEmpty(plan.Sleepable(s, p.Plan))}
	used := map[string]cluster.VMUsage{}
	for _, u := range usage {
		used[u.VM] = u
	}
	for i := range s.VMs {
		v := &s.VMs[i]
		if !v.State.Active() || v.Host == "" {
			continue
		}
		r.Running++
		u, known := used[v.ID]
		if !known {
			continue
		}
		r.Known++
		one := VM{VM: v.ID, Name: v.Label(), Host: v.Host, Usage: u, VCPUs: v.VCPUs, MemoryBytes: v.MemoryBytes, WantedVCPUs: wantedVCPUs(v, u), WantedMemoryBytes: wantedMemory(v, u)}
		switch {
		case u.CPUCores <= p.IdleCPUCores && u.NetworkBytesPerSecond <= p.IdleNetworkBytesPerSecond && u.DiskBytesPerSecond <= p.IdleDiskBytesPerSecond:
			one.WantedVCPUs, one.WantedMemoryBytes = 0, 0
			r.Idle = append(r.Idle, one)
		case one.WantedVCPUs < one.VCPUs || one.WantedMemoryBytes < one.MemoryBytes:
			r.Oversized = append(r.Oversized, one)
		}
	}
	for _, list := range [][]VM{r.Idle, r.Oversized} {
		slices.SortFunc(list, func(a, b VM) int {
			return cmp.Or(cmp.Compare(b.freedMemory(), a.freedMemory()), cmp.Compare(b.VCPUs-b.WantedVCPUs, a.VCPUs-a.WantedVCPUs), cmp.Compare(a.Name, b.Name), cmp.Compare(a.VM, b.VM))
		})
	}
	r.Sleep = r.more(s, p)
	return r
}

func orEmpty(list []string) []string { return append([]string{}, list...) }

func (v VM) freedMemory() int64 { return v.MemoryBytes - v.WantedMemoryBytes }

func wantedVCPUs(v *cluster.VM, u cluster.VMUsage) int {
	want := max(1, int(math.Ceil(u.CPUCores/busyVCPU)))
	if float64(want) > worthCPU*float64(v.VCPUs) {
		return v.VCPUs
	}
	return want
}

func wantedMemory(v *cluster.VM, u cluster.VMUsage) int64 {
	if !u.MemoryBytes.Known {
		return v.MemoryBytes
	}
	want := max(leastMemory, int64(math.Ceil(u.MemoryBytes.Value*memoryRoom/memoryStep))*memoryStep)
	if float64(want) > worthMemory*float64(v.MemoryBytes) {
		return v.MemoryBytes
	}
	return want
}

// more finds the fewest of the idle VMs without which one host more could sleep and, where all of them are not enough, of the
// oversized ones.
func (r *Report) more(s cluster.Snapshot, p Policy) *Sleep {
	enough := func(gone, resized int) (string, bool) {
		return extra(r.Sleepable, plan.Sleepable(r.without(s, gone, resized), p.Plan))
	}
	if host, ok := enough(len(r.Idle), 0); ok {
		n, host := fewest(len(r.Idle), host, func(n int) (string, bool) { return enough(n, 0) })
		return &Sleep{Host: host, Gone: names(r.Idle[:n]), Resized: []string{}}
	}
	if host, ok := enough(len(r.Idle), len(r.Oversized)); ok {
		n, host := fewest(len(r.Oversized), host, func(n int) (string, bool) { return enough(len(r.Idle), n) })
		return &Sleep{Host: host, Gone: names(r.Idle), Resized: names(r.Oversized[:n])}
	}
	return nil
}

// extra is a host of the longer list that the shorter has not.
func extra(now, then []string) (string, bool) {
	if len(then) <= len(now) {
		return "", false
	}
	for _, host := range then {
		if !slices.Contains(now, host) {
			return host, true
		}
	}
	return "", false
}

// fewest halves its way to the least n of 1 to most for which it is enough, which most is; with more it stays so, but for the
// planner's heuristics: what it returns was tried.
func fewest(most int, host string, enough func(int) (string, bool)) (int, string) {
	low, high := 1, most
	for low < high {
		half := (low + high) / 2
		if h, ok := enough(half); ok {
			high, host = half, h
		} else {
			low = half + 1
		}
	}
	return high, host
}

func names(list []VM) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = v.Name
	}
	return all
}

// without is the snapshot when the first idle VMs are gone and the first oversized ones have what they want.
func (r *Report) without(s cluster.Snapshot, gone, resized int) cluster.Snapshot {
	s.VMs = slices.Clone(s.VMs)
	at := map[string]int{}
	for i := range s.VMs {
		at[s.VMs[i].ID] = i
	}
	for _, v := range r.Idle[:gone] {
		s.VMs[at[v.VM]].State, s.VMs[at[v.VM]].Host = cluster.VMShutoff, ""
	}
	for _, v := range r.Oversized[:resized] {
		s.VMs[at[v.VM]].VCPUs, s.VMs[at[v.VM]].MemoryBytes = v.WantedVCPUs, v.WantedMemoryBytes
	}
	return s
}
