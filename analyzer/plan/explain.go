package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// mostCandidates is how many allowed hosts an explanation names.
const mostCandidates = 4

// Explanation says of one VM or host why what is advised is advised, or why nothing is.
type Explanation struct {
	// Subject is "vm/<id>" or "host/<id>".
	Subject string    `json:"subject"`
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	// Verdict is the answer in a sentence, Reasons what it rests on.
	Verdict string   `json:"verdict"`
	Reasons []string `json:"reasons"`
	// Findings are what was found about it and, for a VM, about its host.
	Findings []cluster.Finding `json:"findings"`
	// Steps are those of the plan that touch it.
	Steps []Step `json:"steps"`
	// Candidates are the hosts that a VM could go to, and what speaks against the others.
	Candidates []cluster.Candidate `json:"candidates,omitempty"`
	// Evidence are its numbers with the PromQL behind them, all as of At.
	Evidence []cluster.Evidence `json:"evidence"`
}

// Explain explains the VM or host of that name or ID, from the snapshot, the findings and the plan that they
// led to.
func Explain(s cluster.Snapshot, findings []cluster.Finding, p Policy, made Plan, key string) (Explanation, error) {
	w := newWork(s, findings, p)
	if h, ok := w.place.HostIndex(key); ok {
		return w.explainHost(h, made), nil
	}
	vms := s.FindVMs(key)
	switch len(vms) {
	case 0:
		return Explanation{}, fmt.Errorf("there is no host and no VM %q; evenkeel status lists them", key)
	case 1:
		v, _ := w.place.VMIndex(vms[0].ID)
		return w.explainVM(v, made), nil
	}
	return Explanation{}, fmt.Errorf("%d VMs are called %q; name one by its UUID: %s", len(vms), key, ids(vms))
}

func ids(vms []cluster.VM) string {
	var list []string
	for _, v := range vms {
		list = append(list, v.ID)
	}
	return strings.Join(list, ", ")
}

func (w *work) explainVM(v int, made Plan) Explanation {
	vm, at := &w.snap.VMs[v], w.place.At(v)
	e := Explanation{Subject: cluster.VMSubject(vm.ID), Name: vm.Label(), At: w.snap.At, Steps: stepsOf(made, func(s Step) bool { return s.VM == vm.ID }), Evidence: w.vmEvidence(vm)}
	subjects := []string{e.Subject}
	if at >= 0 {
		subjects = append(subjects, cluster.HostSubject(w.snap.Hosts[at].ID))
	}
	e.Findings = about(w.findings, subjects...)
	if len(e.Steps) > 0 {
		s := e.Steps[0]
		e.Verdict = fmt.Sprintf("it is advised to move %s from %s to %s (%s, priority %d)", vm.Label(), s.From, s.To, s.Policy, s.Priority)
		e.Reasons = append(e.Reasons, s.Reason)
		e.Candidates = w.losers(s)
		return e
	}
	if at < 0 {
		e.Verdict = "nothing is advised: it runs nowhere"
		return e
	}
	e.Candidates = w.candidates(v, -1, w.policy.Limits)
	e.Verdict, e.Reasons = w.whyNot(v, made)
	return e
}

// whyNot says why the plan does not move the VM, the plainest reason first.
func (w *work) whyNot(v int, made Plan) (verdict string, reasons []string) {
	vm, host := &w.snap.VMs[v], w.snap.Hosts[w.place.At(v)]
	if why := w.place.BlockedAt(v); why != "" {
		return "nothing is advised: it cannot be moved", []string{why}
	}
	load, a := w.place.Load(host.ID), w.place.Assess()
	hot := hostsFound(w.findings, "imbalance", "contended_host")
	if len(hot) == 0 {
		reasons = append(reasons, fmt.Sprintf("no host stands out at migration threshold %d: its host %s has CPU %.0f %% (mean %.0f %%) and memory %.0f %% (mean %.0f %%)",
			w.policy.Threshold, host.ID, 100*load.CPUUtilisation, 100*a.MeanCPUUtilisation, 100*load.MemoryUtilisation, 100*a.MeanMemoryUtilisation))
	} else if !slices.Contains(hot, host.ID) {
		reasons = append(reasons, fmt.Sprintf("its host %s is not among those that stand out (%s)", host.ID, strings.Join(hot, ", ")))
	}
	for _, f := range w.findings {
		if f.Pending && f.Subject == cluster.HostSubject(host.ID) {
			reasons = append(reasons, fmt.Sprintf("%s was found and has not held for long enough yet", f.Detector))
		}
	}
	if why := w.unwilling(v); why != "" {
		return "nothing is advised: it is left alone for now", append(reasons, why)
	}
	best, gain := -1, 0.0
	for h := range w.snap.Hosts {
		if w.closed[h] || w.returns(v, h) || !w.place.Fits(v, h, w.policy.Limits) {
			continue
		}
		if g := w.gain(v, h); best < 0 || g > gain {
			best, gain = h, g
		}
	}
	if best < 0 {
		return "nothing is advised: no other host can take it", append(reasons, w.obstacles(v, w.policy.Limits))
	}
	price := w.price(v)
	least, any := leastGain(w.policy.Threshold)
	reasons = append(reasons, fmt.Sprintf("its best move, to %s, would bring %.2f points on the two hosts and cost %.2f", w.snap.Hosts[best].ID, gain, price))
	switch {
	case !any:
		reasons = append(reasons, fmt.Sprintf("migration threshold %d allows only what is mandatory", w.policy.Threshold))
	case gain-price < least:
		reasons = append(reasons, fmt.Sprintf("at migration threshold %d a move must bring %.2f more than it costs", w.policy.Threshold, least))
	case len(hot) > 0:
		reasons = append(reasons, "with the other moves of the plan"+movers(made, host.ID)+" that is not needed: "+made.StoppedBecause)
	}
	if vm.CPUStealRatio.Known && vm.CPUStealRatio.Value < 0.01 {
		reasons = append(reasons, fmt.Sprintf("it gets the CPU that it wants: its vCPUs wait in %.1f %% of the time", 100*vm.CPUStealRatio.Value))
	}
	return "nothing is advised: moving it is not worth it now", reasons
}

// movers names the VMs that the plan moves away from the host.
func movers(made Plan, host string) string {
	var names []string
	for _, s := range made.Actions {
		if s.From == host {
			names = append(names, cmp.Or(s.Name, s.VM))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", which moves " + strings.Join(names, ", ") + " off " + host + ","
}

func (w *work) explainHost(h int, made Plan) Explanation {
	host, load, a := &w.snap.Hosts[h], w.place.LoadAt(h), w.place.Assess()
	e := Explanation{Subject: cluster.HostSubject(host.ID), Name: host.ID, At: w.snap.At,
		Steps:    stepsOf(made, func(s Step) bool { return s.From == host.ID || s.To == host.ID }),
		Findings: about(w.findings, cluster.HostSubject(host.ID), "cluster"),
		Evidence: []cluster.Evidence{
			{Name: "cpu_utilisation", Value: load.CPUUtilisation, Unit: "ratio", Query: w.snap.Query("cpu_demand_cores")},
			{Name: "memory_utilisation", Value: load.MemoryUtilisation, Unit: "ratio", Query: w.snap.Query("memory_demand_bytes")},
			{Name: "memory_promised", Value: float64(w.place.Promised(h)), Limit: cluster.Known(float64(host.MemoryBytes) * w.policy.Limits.MaxMemoryUtilisation), Unit: "bytes", Query: w.snap.Query("host")},
		}}
	e.Reasons = append(e.Reasons, fmt.Sprintf("it is %s with %d VMs: CPU %.0f %% (mean %.0f %%), memory %.0f %% (mean %.0f %%)", host.State, load.VMs,
		100*load.CPUUtilisation, 100*a.MeanCPUUtilisation, 100*load.MemoryUtilisation, 100*a.MeanMemoryUtilisation))
	in, out := 0, 0
	for _, s := range e.Steps {
		if s.To == host.ID {
			in++
		} else {
			out++
		}
	}
	switch why := w.snap.GapOf(e.Subject); {
	case len(e.Steps) > 0:
		e.Verdict = fmt.Sprintf("it is advised to move %d VMs away from it and %d to it", out, in)
	case why != "":
		e.Verdict = "nothing is advised: it cannot be seen properly"
		e.Reasons = append(e.Reasons, why)
	default:
		e.Verdict = "nothing is advised for it"
		e.Reasons = append(e.Reasons, made.StoppedBecause)
	}
	if w.shunned[h] {
		e.Reasons = append(e.Reasons, "it is unhealthy and takes no VM")
	}
	if w.spare[h] {
		e.Reasons = append(e.Reasons, "it is a spare host: nothing is moved to it, it is kept empty for failures")
	}
	if isOff(w.snap.Hosts[h].Automation) {
		e.Reasons = append(e.Reasons, "its automation level is off: nothing is moved to it or away from it")
	}
	for _, v := range w.vmsOn(h) {
		if len(stepsOf(made, func(s Step) bool { return s.VM == w.snap.VMs[v].ID })) > 0 {
			continue
		}
		if why := cmp.Or(w.place.BlockedAt(v), w.unwilling(v)); why != "" {
			e.Reasons = append(e.Reasons, w.snap.VMs[v].Label()+" stays: "+why)
		}
	}
	return e
}

func (w *work) vmEvidence(vm *cluster.VM) []cluster.Evidence {
	e := []cluster.Evidence{
		{Name: "cpu_demand", Value: vm.CPUDemandCores, Unit: "cores", Query: w.snap.Query("cpu_demand_cores")},
		{Name: "memory_demand", Value: float64(vm.MemoryDemandBytes), Unit: "bytes", Query: w.snap.Query("memory_demand_bytes")},
	}
	m := w.link.predict(vm)
	e = append(e, cluster.Evidence{Name: "predicted_migration", Value: m.seconds, Unit: "s"}, cluster.Evidence{Name: "predicted_downtime", Value: m.downtimeSeconds, Unit: "s"})
	for _, n := range []struct {
		name, number, unit string
		value              cluster.Number
	}{
		{"steal_ratio", "cpu_steal_ratio", "ratio", vm.CPUStealRatio}, {"dirty_rate", "dirty_bytes_per_second", "bytes/s", vm.DirtyBytesPerSecond},
		{"cpu_predicted", "cpu_predicted_cores", "cores", vm.CPUPredictedCores}, {"cpu_predicted_error", "cpu_predicted_cores", "cores", vm.CPUPredictedErrorCores},
		{"cpu_persistence_error", "cpu_predicted_cores", "cores", vm.CPUPersistenceErrorCores}, {"cpu_peak", "cpu_peak_cores", "cores", vm.CPUPeakCores},
	} {
		if n.value.Known {
			e = append(e, cluster.Evidence{Name: n.name, Value: n.value.Value, Unit: n.unit, Query: w.snap.Query(n.number)})
		}
	}
	return e
}

func stepsOf(made Plan, want func(Step) bool) []Step {
	steps := []Step{}
	for _, s := range made.Actions {
		if want(s) {
			steps = append(steps, s)
		}
	}
	return steps
}

// about picks the findings about the subjects.
func about(findings []cluster.Finding, subjects ...string) []cluster.Finding {
	found := []cluster.Finding{}
	for _, f := range findings {
		if slices.Contains(subjects, f.Subject) {
			found = append(found, f)
		}
	}
	return found
}

// losers are the hosts that the step's VM does not go to, as it stands in the plan so far.
func (w *work) losers(s Step) []cluster.Candidate {
	v, known := w.place.VMIndex(s.VM)
	to, ok := w.place.HostIndex(s.To)
	if !known || !ok {
		return nil
	}
	limits := w.policy.Limits
	if s.Priority == 1 {
		limits = limits.Mandatory()
	}
	return w.candidates(v, to, limits)
}

// candidates lists the allowed hosts that would bring most, and one host for each constraint that forbids
// some. The chosen host and the VM's own are left out.
func (w *work) candidates(v, chosen int, limits cluster.Limits) []cluster.Candidate {
	var allowed []cluster.Candidate
	refused := map[string]*cluster.Candidate{}
	for h := range w.snap.Hosts {
		if h == chosen || h == w.place.At(v) {
			continue
		}
		constraint, why := w.forbids(v, h, limits)
		if constraint == "" {
			load := w.place.LoadAt(h)
			allowed = append(allowed, cluster.Candidate{Host: load.Host, Gain: cluster.Known(finite(w.gain(v, h) - w.price(v))),
				Reason: fmt.Sprintf("allowed; CPU %.0f %% and memory %.0f %% before", 100*load.CPUUtilisation, 100*load.MemoryUtilisation)})
			continue
		}
		if first, ok := refused[constraint]; ok {
			first.Others++
			continue
		}
		refused[constraint] = &cluster.Candidate{Host: w.snap.Hosts[h].ID, Constraint: constraint, Reason: why}
	}
	slices.SortStableFunc(allowed, func(a, b cluster.Candidate) int { return cmp.Compare(b.Gain.Value, a.Gain.Value) })
	allowed = w.admitted(v, allowed, refused)
	for _, c := range slices.Sorted(maps.Keys(refused)) {
		allowed = append(allowed, *refused[c])
	}
	return allowed
}

// admitted are the first of the candidates that the guard lets through, as many as are shown. Those that it refuses
// before that join the refused.
func (w *work) admitted(v int, allowed []cluster.Candidate, refused map[string]*cluster.Candidate) []cluster.Candidate {
	kept := []cluster.Candidate{}
	for _, c := range allowed {
		if len(kept) == mostCandidates {
			break
		}
		why := ""
		if h, known := w.place.HostIndex(c.Host); known && w.guard != nil {
			why = w.guard.Refuses(v, h)
		}
		switch first, ok := refused["admission"]; {
		case why == "":
			kept = append(kept, c)
		case ok:
			first.Others++
		default:
			refused["admission"] = &cluster.Candidate{Host: c.Host, Constraint: "admission", Reason: why}
		}
	}
	return kept
}

// forbids says what keeps the VM from the host: an obstacle, the host's health, or that it was there lately.
func (w *work) forbids(v, h int, limits cluster.Limits) (constraint, why string) {
	if constraint, why = w.place.Obstacle(v, h, limits); constraint != "" {
		return constraint, why
	}
	switch {
	case w.shunned[h]:
		return "unhealthy", w.snap.Hosts[h].ID + " is unhealthy"
	case w.spare[h]:
		return "spare", w.snap.Hosts[h].ID + " is a spare host and is kept empty for failures"
	case w.closed[h]:
		return "off", "the automation level of " + w.snap.Hosts[h].ID + " is off"
	case w.returns(v, h):
		return "was there", fmt.Sprintf("it was on %s in the last hours", w.snap.Hosts[h].ID)
	}
	return "", ""
}

// obstacles says in a line what keeps the VM from the other hosts: how many for each constraint, and one
// sentence as an example of each.
func (w *work) obstacles(v int, limits cluster.Limits) string {
	var parts []string
	for _, c := range w.candidates(v, -1, limits) {
		if c.Constraint != "" {
			parts = append(parts, fmt.Sprintf("%s on %d (%s)", c.Constraint, c.Others+1, c.Reason))
		}
	}
	if len(parts) == 0 {
		return "there is no other host"
	}
	return strings.Join(parts, "; ")
}
