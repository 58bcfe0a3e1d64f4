package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/consolidate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Power is what the operator decided about hosts that sleep. The zero Power advises nothing.
type Power struct {
	Advise bool
	// Target is the share of CPU and memory that the hosts that are on should have in use, Tolerance how far above it they may
	// go: above both together a host is woken, and one is put into standby only where the others stay at the target or below it.
	Target, Tolerance float64
	// MinHostsOn is how many hosts stay on, MaxProofAge how old the proof may be that a host can be woken; 0 for any age.
	MinHostsOn int
	// Quorums are sets of hosts that keep a majority.
	Quorums     []cluster.Quorum
	MaxProofAge time.Duration
	// Horizon is for how long at most a host is expected to sleep. What putting it into standby and waking it costs must come in
	// again before: CycleWh for shutting down and booting, MoveWh for each GiB of memory that is moved.
	Horizon         time.Duration
	CycleWh, MoveWh float64
	// Awake are times in which hosts are not put into standby.
	Awake []cluster.Awake
}

// The detectors that advice about power names.
const (
	spareCapacity = "spare_capacity"
	shortCapacity = "short_capacity"
)

// usualWatts is what a host is taken to draw, idle and at full load, where nobody said: what a common server draws.
func usualWatts() []float64 { return []float64{120, 350} }

// PowerAdvice says which hosts should be woken or, where none, which one could be put into standby: that is one at a time, for each
// changes what the next would meet, and none while a host is being emptied or is not seen. What runs short does not wait for that.
func PowerAdvice(s cluster.Snapshot, p Policy) []cluster.Recommendation {
	if !p.Power.Advise || blindShare(s) > maxBlindShare {
		return nil
	}
	w := newPowering(s, p)
	if recs := w.wake(); len(recs) > 0 {
		return recs
	}
	for _, h := range s.Hosts {
		if h.State != cluster.HostUp && h.State != cluster.HostStandby || s.GapOf(cluster.HostSubject(h.ID)) != "" {
			return nil
		}
	}
	if rec, ok := w.sleep(); ok {
		return []cluster.Recommendation{rec}
	}
	return nil
}

// powering is one look for hosts to wake or for one to put into standby.
type powering struct {
	snap   cluster.Snapshot
	policy Policy
	place  *cluster.Placement
	now    cluster.Assessment
}

func newPowering(s cluster.Snapshot, p Policy) *powering {
	w := &powering{snap: s, policy: p, place: cluster.NewPlacement(s)}
	w.now = w.place.Assess()
	return w
}

// use is how much of the hosts that are on is wanted, as shares: of their cores by the given demand of each VM, and of their
// memory by what is promised.
func (w *powering) use(without int, cores func(v *cluster.VM) float64) (cpu, memory float64) {
	var have, want, bytes, promised float64
	for h := range w.snap.Hosts {
		host := &w.snap.Hosts[h]
		if host.State != cluster.HostUp {
			continue
		}
		if h != without {
			have, bytes = have+host.CPUCores, bytes+float64(host.MemoryBytes)
			want, promised = want+host.ReservedCPUCores, promised+float64(host.ReservedMemoryBytes)
		}
	}
	for v := range w.snap.VMs {
		if vm := &w.snap.VMs[v]; w.place.At(v) >= 0 {
			want, promised = want+cores(vm), promised+float64(vm.MemoryBytes)
		}
	}
	return share(want, have), share(promised, bytes)
}

func share(part, whole float64) float64 {
	if whole <= 0 {
		return math.Inf(1)
	}
	return part / whole
}

// busy is what the VM used and waited for in the last minutes, calm what that was at most over a longer time; both are at least what
// it is expected to use.
func busy(v *cluster.VM) float64 {
	if v.CPUBusyCores.Known {
		return max(v.CPUBusyCores.Value, v.CPUPredictedCores.Value)
	}
	return v.Cores()
}

func calm(v *cluster.VM) float64 { return max(v.Cores(), v.CPUCalmCores.Value) }

// high is the share above which those that are on run short.
func (p Power) high() float64 { return p.Target + p.Tolerance }

// wake advises to wake as many hosts as it takes where those that are on run short, or where what is to be survived would not be:
// they take minutes to come, and who waits for the first to ask for the next waits for all of them in turn.
func (w *powering) wake() []cluster.Recommendation {
	var recs []cluster.Recommendation
	for {
		cpu, memory := w.use(-1, busy)
		why := w.short(cpu, memory)
		if why == "" {
			return recs
		}
		best := w.nextToWake()
		if best < 0 {
			return recs
		}
		host := &w.snap.Hosts[best]
		reason := fmt.Sprintf("%s; %s brings %.0f cores and %.0f GiB", why, host.ID, host.CPUCores, float64(host.MemoryBytes)/(1<<30))
		recs = append(recs, w.advice(cluster.Wake, host.ID, 1, reason, shortCapacity, cpu, memory, w.policy.Power.high()))
		w.rouse(best)
	}
}

// short says what runs short with the hosts that are on, or "".
func (w *powering) short(cpu, memory float64) string {
	if why := w.policy.Power.exceeded("the hosts that are on", cpu, memory); why != "" {
		return why
	}
	if broken := w.broken(); len(broken) > 0 && len(w.rested().broken()) < len(broken) {
		return "with the hosts that are on, " + broken[0].Reason
	}
	return ""
}

// exceeded says what of those hosts is in use beyond what they may have in use, or "".
func (p Power) exceeded(hosts string, cpu, memory float64) string {
	switch {
	case cpu > p.high():
		return fmt.Sprintf("%.0f %% of the CPU of %s is wanted, more than %.0f %%", 100*cpu, hosts, 100*p.high())
	case memory > p.high():
		return fmt.Sprintf("%.0f %% of the memory of %s is promised, more than %.0f %%", 100*memory, hosts, 100*p.high())
	}
	return ""
}

// broken is what is to be survived and would not be.
func (w *powering) broken() []admission.Case {
	return admission.Check(w.place, w.policy.Admission, w.policy.Limits).Broken()
}

// rested is the cluster with all hosts on that can be had: what would not be survived with them is no reason to wake any.
func (w *powering) rested() *powering {
	all := *w
	for h := all.nextToWake(); h >= 0; h = all.nextToWake() {
		all.rouse(h)
	}
	return &all
}

// rouse has the host be on, on paper.
func (w *powering) rouse(h int) {
	w.snap.Hosts = slices.Clone(w.snap.Hosts)
	w.snap.Hosts[h].State = cluster.HostUp
	w.place = cluster.NewPlacement(w.snap)
}

// patience is how many times as long as the last time a host may take to wake before another one is woken in its place.
const patience = 2

// overdue tells whether a host that is being woken takes so long that it may not come.
func (w *powering) overdue(h *cluster.Host) bool {
	return !h.WakingSince.IsZero() && h.Woken != nil && w.snap.At.Sub(h.WakingSince).Seconds() > patience*h.Woken.Seconds
}

// nextToWake is the host that should be woken first, -1 for none.
func (w *powering) nextToWake() int {
	best := -1
	for h := range w.snap.Hosts {
		if host := &w.snap.Hosts[h]; host.State == cluster.HostStandby && host.CPUCores > 0 && (host.Woken == nil || host.Woken.Woke) && !w.overdue(host) && (best < 0 || w.sooner(h, best)) {
			best = h
		}
	}
	return best
}

// sooner tells whether host a should be woken rather than b: the one that was back sooner the last time, then the larger one.
func (w *powering) sooner(a, b int) bool {
	x, y := &w.snap.Hosts[a], &w.snap.Hosts[b]
	seconds := func(h *cluster.Host) float64 {
		if h.Woken == nil {
			return math.Inf(1)
		}
		return h.Woken.Seconds
	}
	return cmp.Or(cmp.Compare(seconds(x), seconds(y)), cmp.Compare(y.CPUCores, x.CPUCores), cmp.Compare(x.ID, y.ID)) < 0
}

// sleep advises to put a host into standby where the others have room for all of it to spare, for as long as is foreseen.
func (w *powering) sleep() (cluster.Recommendation, bool) {
	for v := range w.snap.VMs { // a peak of which nobody knows must not be slept through
		if vm := &w.snap.VMs[v]; w.place.At(v) >= 0 && !vm.CPUCalmCores.Known {
			return cluster.Recommendation{}, false
		}
	}
	for range len(w.snap.Hosts) {
		freed, ok := w.free()
		if !ok {
			return cluster.Recommendation{}, false
		}
		host := w.snap.Hosts[freed.Bin].ID
		rest := MayRest(w.snap, host, w.policy)
		if rest.Stay == "" && rest.Reserve == "" {
			cpu, memory := w.use(freed.Bin, calm)
			reason := fmt.Sprintf("%s can be emptied with %d moves; the others would have %.0f %% of their CPU and %.0f %% of their memory in use (target %.0f %%) and survive what they are to; it would save about %.0f Wh in %s, less %.0f Wh for falling asleep and waking",
				host, len(rest.Moves), 100*cpu, 100*memory, 100*w.policy.Power.Target, freed.SavedWh, freed.Sleep.Round(time.Minute), freed.CostWh)
			return w.advice(cluster.Standby, host, 4, reason, spareCapacity, cpu, memory, w.policy.Power.Target), true
		}
		w.exclude(freed.Bin)
	}
	return cluster.Recommendation{}, false
}

// exclude has the host stay on.
func (w *powering) exclude(h int) {
	w.snap.Hosts = slices.Clone(w.snap.Hosts)
	w.snap.Hosts[h].Woken = nil
}

// free finds the host that could be emptied at the least cost for what it saves.
func (w *powering) free() (consolidate.Freed, bool) {
	c := consolidate.Cluster{Legal: w.legal, Stand: w.place.MoveAt}
	for h := range w.snap.Hosts {
		c.Bins = append(c.Bins, w.bin(h))
	}
	foreseen := w.foreseen()
	for v := range w.snap.VMs {
		vm := &w.snap.VMs[v]
		c.Items = append(c.Items, consolidate.Item{Bin: w.place.At(v), Memory: vm.MemoryBytes, CPU: busy(vm), Mean: calm(vm), Fixed: w.place.At(v) >= 0 && w.place.BlockedAt(v) != "",
			CostWh: w.policy.Power.MoveWh * float64(vm.MemoryBytes) / (1 << 30)})
	}
	p := consolidate.Default()
	p.Upper, p.Tolerance, p.Lower = w.policy.Power.Target, w.policy.Power.Tolerance, w.policy.Power.Target
	p.Horizon, p.MaxMoves, p.MaxFree = foreseen, len(w.snap.VMs), 1
	made := consolidate.Make(c, p)
	if len(made.Free) == 0 || len(made.Over) > 0 {
		return consolidate.Freed{}, false
	}
	return made.Free[0], true
}

// legal tells whether rules and reach let the VM be on the host; room is looked at by who asks.
func (w *powering) legal(v, h int) bool {
	if w.snap.Hosts[h].State != cluster.HostUp {
		return false
	}
	constraint, _ := w.place.Obstacle(v, h, cluster.Limits{MaxCPUUtilisation: math.Inf(1), MaxMemoryUtilisation: math.Inf(1)})
	return constraint == "" || constraint == "there already"
}

// bin is the host for package consolidate: one that must not sleep is kept.
func (w *powering) bin(h int) consolidate.Bin {
	host := &w.snap.Hosts[h]
	watts := usualWatts()
	switch {
	case len(host.PowerCurve) > 0:
		watts = host.PowerCurve
	case host.PeakWatts.Known && host.IdleWatts.Known:
		watts = []float64{host.IdleWatts.Value, host.PeakWatts.Value}
	}
	return consolidate.Bin{CPU: host.CPUCores, OwnCPU: host.ReservedCPUCores, Memory: host.MemoryBytes, OwnMemory: host.ReservedMemoryBytes, Watts: watts,
		CycleWh: w.policy.Power.CycleWh, On: host.State == cluster.HostUp, Keep: !w.maySleep(h)}
}

// maySleep tells whether the host may be put into standby by itself: it was woken the last time, not too long ago, the others
// would have room for everything at the target, it is not the last of its failure domain, and enough stay on.
func (w *powering) maySleep(h int) bool {
	host, p := &w.snap.Hosts[h], w.policy.Power
	switch {
	case host.State != cluster.HostUp || host.Woken == nil || !host.Woken.Woke, p.MaxProofAge > 0 && w.snap.At.Sub(host.Woken.At) > p.MaxProofAge:
		return false
	case isOff(host.Automation), slices.Contains(w.policy.Admission.SpareHosts, host.ID):
		return false
	}
	if kept, _ := cluster.KeptAwake(p.Awake, host.ID, w.snap.At); kept != "" {
		return false
	}
	on, domain := 0, host.FailureDomain == ""
	for o := range w.snap.Hosts {
		if other := &w.snap.Hosts[o]; o != h && other.State == cluster.HostUp {
			on++
			domain = domain || other.FailureDomain == host.FailureDomain
		}
	}
	cpu, memory := w.use(h, calm)
	return on >= max(1, p.MinHostsOn) && !w.outvoted(h) && domain && cpu <= p.Target && memory <= p.Target
}

// outvoted tells whether a quorum would be lost without the host.
func (w *powering) outvoted(h int) bool {
	on := map[string]bool{}
	for i := range w.snap.Hosts {
		on[w.snap.Hosts[i].ID] = w.snap.Hosts[i].State == cluster.HostUp
	}
	return slices.ContainsFunc(w.policy.Power.Quorums, func(q cluster.Quorum) bool {
		return q.Lost(w.snap.Hosts[h].ID, func(host string) bool { return on[host] })
	})
}

// foreseen is for how long from now the hosts that are on would have room for what is expected, without the smallest of them:
// no host falls asleep before a peak that comes every day.
func (w *powering) foreseen() time.Duration {
	have, least := 0.0, math.Inf(1)
	for _, h := range w.snap.Hosts {
		if h.State == cluster.HostUp {
			have, least = have+h.CPUCores, min(least, h.CPUCores)
		}
	}
	long := w.policy.Power.Horizon
	for _, a := range w.policy.Power.Awake { // who falls asleep just before it would have to wake saves nothing
		if next := a.Begins.Next(w.snap.At.Add(a.Lead)); !next.IsZero() {
			long = min(long, next.Add(-a.Lead).Sub(w.snap.At))
		}
	}
	for hour, cores := range w.snap.CPUAheadCores {
		if cores > w.policy.Power.Target*(have-least) {
			return min(long, time.Duration(hour)*time.Hour)
		}
	}
	return long
}

// advice is the recommendation with the numbers that it rests on.
func (w *powering) advice(kind cluster.Kind, host string, priority int, reason, detector string, cpu, memory, limit float64) cluster.Recommendation {
	evidence := []cluster.Evidence{
		{Name: "cpu_utilisation", Value: cpu, Limit: cluster.Known(limit), Query: w.snap.Query("cpu_demand_cores")},
		{Name: "memory_utilisation", Value: memory, Limit: cluster.Known(limit), Query: w.snap.Query("memory_demand_bytes")},
	}
	return cluster.Recommendation{Cluster: w.snap.Cluster, Policy: cluster.Power, Priority: priority, Reason: reason,
		Because: []cluster.Finding{{Detector: detector, Subject: "cluster", Reason: reason, Evidence: evidence}},
		Action:  cluster.Action{Kind: kind, From: host}, Before: w.now, After: w.now, Effects: []cluster.Effect{},
		Made: w.snap.At, Expires: w.snap.At.Add(w.policy.Lifetime)}.Identified()
}
