package recovery

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Impact is what depends on a host, a storage pool or a network and, for a host, what would happen if it failed.
type Impact struct {
	// Subject is "host/<name>", "pool/<name>" or "network/<name>".
	Subject string    `json:"subject"`
	At      time.Time `json:"at"`
	// VMs stand in the order in which they would be started, those that could not last.
	VMs []Affected `json:"vms"`
	// DetectSeconds is how long it should take until it is certain that the host is off.
	DetectSeconds float64 `json:"detect_seconds,omitempty"`
	// Unplaced counts the VMs that would find no host.
	Unplaced int `json:"unplaced"`
}

// Affected is one VM of an impact.
type Affected struct {
	VM       string          `json:"vm"`
	Name     string          `json:"name"`
	Host     string          `json:"host"`
	State    cluster.VMState `json:"state"`
	Tags     []string        `json:"tags,omitempty"`
	Priority string          `json:"priority"`
	// After are the VMs that must be ready before it.
	After []string `json:"after,omitempty"`
	// To is where it would start, empty where it would not; Reason says why there, or why not.
	To     string `json:"to,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Seconds is from the failure until it is started, 0 where it is not.
	Seconds float64 `json:"seconds,omitempty"`
}

// Timing is what the steps of a recovery take, and how much of it happens at once.
type Timing struct {
	// Detect is from the failure until it is certain that the host is off, Start the start of one VM.
	Detect, Start time.Duration
	// Cluster and Host are how many VMs may be starting at once; 0 for no limit.
	Cluster, Host int
}

// Assess says what depends on the subject by the snapshot. Of a host it plays its failure through on paper: the same placing, order and limits as
// when it fails indeed. The error says what is not there.
func Assess(s cluster.Snapshot, kind, name string, p Policy, t Timing) (Impact, error) {
	out := Impact{Subject: kind + "/" + name, At: s.At, VMs: []Affected{}}
	var there func(cluster.VM) bool
	switch kind {
	case "host":
		if _, known := s.Host(name); !known {
			return out, fmt.Errorf("there is no host %q", name)
		}
		there = func(v cluster.VM) bool { return v.Host == name && v.State.Active() }
	case "pool", "network":
		reach := func(h cluster.Host) []string { return h.Storage }
		use := func(v cluster.VM) []string { return v.Storage }
		if kind == "network" {
			reach, use = func(h cluster.Host) []string { return h.Networks }, func(v cluster.VM) []string { return v.Networks }
		}
		if !slices.ContainsFunc(s.Hosts, func(h cluster.Host) bool { return slices.Contains(reach(h), name) }) {
			return out, fmt.Errorf("no host has a shared %s %q", kind, name)
		}
		there = func(v cluster.VM) bool { return slices.Contains(use(v), name) }
	default:
		return out, fmt.Errorf("%q is neither host nor pool nor network", kind)
	}
	for i := range s.VMs {
		if v := &s.VMs[i]; there(*v) {
			out.VMs = append(out.VMs, Affected{VM: v.ID, Name: v.Label(), Host: v.Host, State: v.State, Tags: v.Tags, Priority: p.priorityOf(v), After: p.after(v)})
		}
	}
	if kind == "host" {
		out.DetectSeconds = t.Detect.Seconds()
		p.rehearse(&out, s, name, t)
	}
	return out, nil
}

func (p Policy) after(v *cluster.VM) []string {
	return append(slices.Clone(p.Dependencies[v.ID]), p.Dependencies[v.Name]...)
}

// rehearse fills in where and when each VM of the host would start.
func (p Policy) rehearse(out *Impact, s cluster.Snapshot, host string, t Timing) {
	s.Hosts, s.VMs = slices.Clone(s.Hosts), slices.Clone(s.VMs)
	for i := range s.Hosts {
		if s.Hosts[i].ID == host {
			s.Hosts[i].State = cluster.HostDown
		}
	}
	at := map[string]*cluster.VM{}
	for i := range s.VMs {
		at[s.VMs[i].ID] = &s.VMs[i]
	}
	var wants []plan.Want
	slices.SortStableFunc(out.VMs, func(a, b Affected) int {
		x, y := at[a.VM], at[b.VM]
		return cmp.Or(cmp.Compare(p.rank(y), p.rank(x)), cmp.Compare(y.MemoryBytes, x.MemoryBytes), cmp.Compare(a.VM, b.VM))
	})
	for i := range out.VMs {
		v := at[out.VMs[i].VM]
		only := ""
		if bound(*v) {
			only = host
		}
		v.Host, v.MigratingTo, v.State, v.Movable = "", "", cluster.VMRunning, true
		if out.VMs[i].Priority == cluster.RestartDisabled {
			out.VMs[i].Reason = "its restart priority is disabled"
			continue
		}
		wants = append(wants, plan.Want{VM: v.ID, Only: only})
	}
	steps, refused := plan.Restarts(s, p.Plan, wants)
	for i := range out.VMs {
		one := &out.VMs[i]
		for _, step := range steps {
			if step.VM == one.VM {
				one.To, one.Reason = step.To, step.Reason
			}
		}
		for _, r := range refused {
			if r.Subject == cluster.VMSubject(one.VM) {
				one.Reason = r.Reason
			}
		}
		if one.To == "" {
			out.Unplaced++
		}
	}
	p.schedule(out.VMs, t)
	slices.SortStableFunc(out.VMs, func(a, b Affected) int {
		if (a.To == "") != (b.To == "") {
			return cmp.Compare(b.To, a.To) // those that start come first
		}
		return cmp.Compare(a.Seconds, b.Seconds)
	})
}

// schedule says when each VM would be started: class by class, after those that it needs, so many at once.
func (p Policy) schedule(vms []Affected, t Timing) {
	var all []float64               // when each slot of the cluster is free again
	hosts := map[string][]float64{} // and each of a host
	done := map[string]float64{}    // by UUID and name
	begin := t.Detect.Seconds()     // when the present class may begin
	class, latest := "", begin
	for len(done) < 2*len(vms) {
		moved := false
		for i := range vms {
			one := &vms[i]
			if _, already := done[one.VM]; already {
				continue
			}
			ready := begin
			waits := slices.ContainsFunc(one.After, func(on string) bool {
				at, known := done[on]
				ready = max(ready, at+p.Ready.Seconds())
				return !known && slices.ContainsFunc(vms, func(v Affected) bool { return v.Name == on || v.VM == on })
			})
			if waits {
				continue
			}
			if one.Priority != class {
				class, begin = one.Priority, latest
				ready = max(ready, begin)
			}
			if moved = true; one.To != "" {
				ready = max(slot(&all, t.Cluster, ready), ready)
				own := hosts[one.To]
				ready = max(slot(&own, t.Host, ready), ready)
				one.Seconds = ready + t.Start.Seconds()
				all, hosts[one.To] = append(all, one.Seconds), append(own, one.Seconds)
				latest = max(latest, one.Seconds+p.Ready.Seconds())
			}
			done[one.VM] = one.Seconds
			if one.Name != one.VM {
				done[one.Name] = one.Seconds
			}
			break // what waited for it may come next
		}
		if !moved {
			return // what is left waits in a circle, which the configuration does not let in
		}
	}
}

// slot takes the first of so many slots that is free, and returns when that is; those in use hold the times at which they are free again.
func slot(used *[]float64, limit int, at float64) float64 {
	*used = slices.DeleteFunc(*used, func(free float64) bool { return free <= at })
	if limit <= 0 || len(*used) < limit {
		return at
	}
	slices.Sort(*used)
	return (*used)[len(*used)-limit]
}
