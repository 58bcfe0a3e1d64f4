package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// work is one plan in the making. Planners add steps to it in turn; each sees the cluster as the steps
// before it leave it.
type work struct {
	snap     cluster.Snapshot
	findings []cluster.Finding
	policy   Policy
	// place is the state as planned so far, start the state as it is.
	place, start *cluster.Placement
	link         link
	now          cluster.Assessment // of place, as the last step left it
	// scale turns what is lost on hosts, in cores and bytes, into points on the two hosts that a move touches.
	perCore, perByte, perViolation float64
	// steps are in order. moved are the VMs that they move, shunned the hosts that are to be emptied for their
	// health, spare those that are kept empty for failures, closed those that take no VM: these, and hosts at
	// automation level off.
	steps                  []Step
	moved                  map[int]bool
	shunned, spare, closed []bool
	// starting counts by host the VMs that the plan starts there.
	starting map[int]int
	// guard says which hosts a new VM must not be started on because of what is to be survived; nil for none.
	guard   *admission.Guard
	refused []Refusal
	notes   []string
	// left tells that something is still to be mended or moved away for which there is no room now.
	left bool
	// without are ways to mend rules that are not to be taken.
	without map[choice]bool
}

func newWork(s cluster.Snapshot, findings []cluster.Finding, p Policy) *work {
	w := &work{
		snap: s, findings: findings, policy: p, place: cluster.NewPlacement(s), start: cluster.NewPlacement(s),
		link: learn(s, p.BandwidthBytesPerSecond), moved: map[int]bool{}, starting: map[int]int{}, without: map[choice]bool{}, shunned: make([]bool, len(s.Hosts)), spare: make([]bool, len(s.Hosts)), closed: make([]bool, len(s.Hosts)), refused: []Refusal{},
	}
	w.weigh()
	w.now = w.place.Assess()
	for _, id := range hostsFound(findings, "unhealthy_host") {
		if h, known := w.place.HostIndex(id); known {
			w.shunned[h] = slices.ContainsFunc(s.Hosts[h].Faults, func(f cluster.Fault) bool { return f.Kind.Dangerous() })
		}
	}
	for h := range s.Hosts {
		w.spare[h] = slices.Contains(p.Admission.SpareHosts, s.Hosts[h].ID)
		w.closed[h] = w.shunned[h] || w.spare[h] || isOff(s.Hosts[h].Automation)
	}
	return w
}

func isOff(l *cluster.Level) bool { return l != nil && *l == cluster.LevelOff }

// weigh sets the scale: a change of the cluster's score counts on the two hosts that a move touches, so
// that the same imbalance between two hosts weighs the same in a small and in a large cluster.
func (w *work) weigh() {
	touched := max(1, float64(w.place.UsableHosts())/2)
	cores, bytes := w.place.Demand()
	w.perCore, w.perByte, w.perViolation = 0, 0, touched*5
	if cores > 0 {
		w.perCore = 100 * touched / cores
	}
	if bytes > 0 {
		w.perByte = 100 * touched / bytes
	}
}

// loss is what is lost on a host of that size with that demand, in points on the two hosts of a move.
func (w *work) loss(cores, cpu, bytes, memory float64) float64 {
	contended, headroom := cluster.Strain(cpu, cores)
	swapped, squeezed := cluster.Strain(memory, bytes)
	return w.perCore*(contended+headroom) + w.perByte*(swapped+squeezed)
}

// lossAt is loss for the host with so much more on it.
func (w *work) lossAt(h int, cpu, memory float64) float64 {
	host := &w.snap.Hosts[h]
	return w.loss(host.CPUCores, w.place.CPU(h)+cpu, float64(host.MemoryBytes), w.place.Memory(h)+memory)
}

// gain is what moving the VM to the host brings, in points on the two hosts, its cost not counted. What
// is lost on a host that takes no part is not counted.
func (w *work) gain(v, h int) float64 {
	vm := &w.snap.VMs[v]
	cpu, memory := vm.Cores(), float64(vm.MemoryDemandBytes)
	gain := w.lossAt(h, 0, 0) - w.lossAt(h, cpu, memory)
	if from := w.place.At(v); from >= 0 && w.place.UsableAt(from) {
		gain += w.lossAt(from, 0, 0) - w.lossAt(from, -cpu, -memory)
	}
	if w.place.Ruled(v) {
		gain -= w.perViolation * float64(w.place.RuleChange(v, h))
	}
	return gain
}

// price is what the migration costs in points on the two hosts, over the time that the new placement is
// expected to last.
func (w *work) price(v int) float64 {
	vm := &w.snap.VMs[v]
	horizon := w.policy.Horizon.Seconds()
	if horizon <= 0 {
		return 0
	}
	return w.perCore * w.link.predict(vm).lostCoreSeconds(vm) / horizon
}

// full tells whether the plan has as many steps as it may.
func (w *work) full() bool { return len(w.steps) >= w.policy.MaxMoves }

// take adds one step to the plan and carries it out on paper.
func (w *work) take(v, h int, policy string, priority int, reason string) {
	vm, from := &w.snap.VMs[v], w.place.At(v)
	before := w.now
	fromBefore, toBefore := w.place.LoadAt(from), w.place.LoadAt(h)
	gain := w.gain(v, h) - w.price(v)
	w.place.MoveAt(v, h)
	after := w.place.Assess()
	w.now = after
	fromAfter, toAfter := w.place.LoadAt(from), w.place.LoadAt(h)
	m := w.link.predict(vm)
	s := Step{
		Seq: len(w.steps) + 1, Kind: cluster.Migrate, VM: vm.ID, Name: vm.Name, From: fromBefore.Host, To: toBefore.Host,
		Policy: policy, Reason: reason, Priority: priority, Gain: finite(gain),
		PredictedSeconds: m.seconds, PredictedDowntimeSeconds: m.downtimeSeconds, NeedsAutoConverge: m.diverges,
		before: before, after: after, steal: vm.CPUStealRatio,
		effects: []cluster.Effect{
			{Host: fromBefore.Host, Name: cluster.CPUUtilisation, Before: fromBefore.CPUUtilisation, After: fromAfter.CPUUtilisation},
			{Host: fromBefore.Host, Name: cluster.MemoryUtilisation, Before: fromBefore.MemoryUtilisation, After: fromAfter.MemoryUtilisation},
			{Host: toBefore.Host, Name: cluster.CPUUtilisation, Before: toBefore.CPUUtilisation, After: toAfter.CPUUtilisation},
			{Host: toBefore.Host, Name: cluster.MemoryUtilisation, Before: toBefore.MemoryUtilisation, After: toAfter.MemoryUtilisation},
		},
	}
	if s.Reason == "" {
		s.Reason = fmt.Sprintf("takes %.2f cores from %s (CPU %.0f %% to %.0f %%) to %s (%.0f %% to %.0f %%); score %.1f to %.1f",
			vm.Cores(), s.From, 100*fromBefore.CPUUtilisation, 100*fromAfter.CPUUtilisation,
			s.To, 100*toBefore.CPUUtilisation, 100*toAfter.CPUUtilisation, before.Score, after.Score)
	}
	w.moved[v] = true
	w.steps = append(w.steps, s)
}

// refuse notes something that a planner would have touched and may not, once.
func (w *work) refuse(v int, reason string) {
	vm := &w.snap.VMs[v]
	r := Refusal{Subject: cluster.VMSubject(vm.ID), Name: vm.Name, Reason: reason}
	if !slices.ContainsFunc(w.refused, func(old Refusal) bool { return old.Subject == r.Subject }) {
		w.refused = append(w.refused, r)
	}
}

// depend fills in what each step needs: the earlier steps without which it would not be legal in the
// state as it is. A VM that is being moved counts on both of its hosts, so room that an earlier step makes
// is there only when that step is done, and room that an earlier step takes is taken from the beginning.
func (w *work) depend() {
	vms := make([]int, len(w.steps))
	for i, s := range w.steps {
		vms[i], _ = w.start.VMIndex(s.VM)
	}
	for i := range w.steps {
		w.steps[i].DependsOn = w.needs(i, vms)
	}
}

// needs is what the step needs; vms are those that the steps move.
func (w *work) needs(i int, vms []int) []int {
	s, v := &w.steps[i], vms[i]
	to, _ := w.start.HostIndex(s.To)
	host := &w.snap.Hosts[to]
	cpu, promised := w.start.CPU(to)+w.snap.VMs[v].Cores(), w.start.Promised(to)+w.snap.VMs[v].MemoryBytes
	var needs []int
	for j := range w.steps[:i] {
		e, u := &w.steps[j], vms[j]
		switch {
		case u == v:
			needs = append(needs, j+1)
		case w.start.SharesRule(u, v):
			needs = append(needs, j+1)
		}
		if e.To == s.To {
			cpu, promised = cpu+w.snap.VMs[u].Cores(), promised+w.snap.VMs[u].MemoryBytes
		}
	}
	limits := w.policy.Limits
	if s.Priority == 1 {
		limits = limits.Mandatory()
	}
	for j := range w.steps[:i] {
		if cpu <= limits.CPU(host) && float64(promised) <= float64(host.MemoryBytes)*limits.MaxMemoryUtilisation {
			break
		}
		if u := vms[j]; w.steps[j].From == s.To {
			cpu, promised = cpu-w.snap.VMs[u].Cores(), promised-w.snap.VMs[u].MemoryBytes
			needs = append(needs, j+1)
		}
	}
	slices.Sort(needs)
	return slices.Compact(needs)
}

// byRank sorts VMs by the key, the largest first, and by their place in the snapshot where it is equal.
func byRank(vms []int, key func(v int) float64) {
	slices.SortFunc(vms, func(a, b int) int { return cmp.Or(cmp.Compare(key(b), key(a)), cmp.Compare(a, b)) })
}
