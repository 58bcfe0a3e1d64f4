package plan

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// maxBlindShare is the share of hosts that may be unseen before the observer is suspected rather
// than the hosts, and nothing is planned.
const maxBlindShare = 1.0 / 3

// pointsPerMinute is what a minute of migration costs, in points of the score on the two hosts
// that it touches. Ours: it lets a one-minute move through that gains a point more than its
// priority asks for.
const pointsPerMinute = 1.0

// priorityGains are the points that a step must bring to the hosts that it touches, after its
// cost, to be of priority 2, 3, 4 and 5. Priority 1 is kept for what is mandatory.
func priorityGains() []float64 { return []float64{10, 4, 2, 0.5} }

// Balance acts when a host was found to stand out. It tries every legal move of a VM away from a
// host above the mean, takes the one that raises the score most after its cost, and goes on from
// there until nothing is worth it.
func Balance(s cluster.Snapshot, findings []cluster.Finding, p Policy) Plan {
	b := balancing{snap: s, policy: p, place: cluster.NewPlacement(s), start: cluster.NewPlacement(s)}
	before := b.place.Assess()
	before.StealCPUCores = s.MeasuredSteal()
	out := Plan{Cluster: s.Cluster, At: s.At, Policy: "balance", Before: before, After: before,
		Actions: []Step{}, Refused: []Refusal{}}
	hot := hosts(findings, "imbalance")
	if len(hot) == 0 {
		out.StoppedBecause = fmt.Sprintf("balanced: no host stands out at migration threshold %d (fullest host %.0f %% CPU, mean %.0f %%)",
			p.Threshold, 100*before.MaxCPUUtilisation, 100*before.MeanCPUUtilisation)
		return out
	}
	if blind := b.blind(); blind > maxBlindShare {
		out.StoppedBecause = fmt.Sprintf("%.0f %% of the hosts cannot be seen: suspect the monitoring before the hosts", 100*blind)
		return out
	}
	for len(out.Actions) < p.MaxMoves {
		step, why := b.next(len(out.Actions) + 1)
		if why != "" {
			out.StoppedBecause = why
			break
		}
		step.DependsOn = b.dependencies(step, out.Actions)
		out.Actions = append(out.Actions, step)
	}
	if out.StoppedBecause == "" {
		out.StoppedBecause = fmt.Sprintf("the plan is capped at %d moves", p.MaxMoves)
	}
	out.Refused = b.refused(hot)
	out.After = b.place.Assess()
	return out
}

type balancing struct {
	snap   cluster.Snapshot
	policy Policy
	place  *cluster.Placement
	start  *cluster.Placement
}

func (b *balancing) blind() float64 {
	if len(b.snap.Hosts) == 0 {
		return 0
	}
	unseen := 0
	for _, h := range b.snap.Hosts {
		if h.State == cluster.HostUnknown || b.snap.GapOf(cluster.HostSubject(h.ID)) != "" {
			unseen++
		}
	}
	return float64(unseen) / float64(len(b.snap.Hosts))
}

// next returns the best step from here, or why there is none.
func (b *balancing) next(seq int) (Step, string) {
	before := b.place.Assess()
	sources := b.sources(before)
	var vm cluster.VM
	var to string
	best, legal, seconds := 0.0, 0, 0.0
	for _, v := range b.snap.VMs {
		if !sources[b.place.HostOf(v.ID)] || b.place.Blocked(v.ID) != "" {
			continue
		}
		took := b.predictSeconds(v)
		for _, h := range b.snap.Hosts {
			if b.place.Illegal(v.ID, h.ID, b.policy.Limits) != "" {
				continue
			}
			legal++
			gain := b.touched()*(b.place.ScoreAfter(v.ID, h.ID)-before.Score) - pointsPerMinute*took/60
			if gain > best {
				best, vm, to, seconds = gain, v, h.ID, took
			}
		}
	}
	priority, enough := b.priority(best)
	switch {
	case legal == 0:
		return Step{}, "no move helps: no VM on a host above the mean may go to another host"
	case !enough:
		return Step{}, fmt.Sprintf("no further move is worth it at migration threshold %d: the best would bring %.1f points", b.policy.Threshold, best)
	}
	return b.take(vm, to, seq, priority, seconds, before), ""
}

// sources are the hosts above the mean in the state as planned so far. They are not only those
// that the findings named: else the plan would end in a state that asks for another plan.
func (b *balancing) sources(a cluster.Assessment) map[string]bool {
	above := map[string]bool{}
	for _, l := range b.place.Loads() {
		above[l.Host] = b.place.Usable(l.Host) &&
			(l.CPUUtilisation > a.MeanCPUUtilisation || l.MemoryUtilisation > a.MeanMemoryUtilisation)
	}
	return above
}

// touched scales a change of the cluster's score to the two hosts that a move touches, so that the
// same imbalance between two hosts weighs the same in a small and in a large cluster.
func (b *balancing) touched() float64 { return max(1, float64(len(b.snap.Hosts))/2) }

func (b *balancing) priority(gain float64) (priority int, enough bool) {
	for i, least := range priorityGains() {
		if gain >= least {
			return i + 2, i+2 <= b.policy.Threshold
		}
	}
	return 0, false
}

func (b *balancing) take(vm cluster.VM, to string, seq, priority int, seconds float64, before cluster.Assessment) Step {
	from := b.place.HostOf(vm.ID)
	fromBefore, toBefore := b.place.Load(from), b.place.Load(to)
	b.place.Move(vm.ID, to)
	fromAfter, toAfter := b.place.Load(from), b.place.Load(to)
	after := b.place.Assess()
	return Step{
		Seq: seq, Kind: cluster.Migrate, VM: vm.ID, Name: vm.Name, From: from, To: to,
		Reason: fmt.Sprintf("takes %.2f cores from %s (CPU %.0f %% to %.0f %%) to %s (%.0f %% to %.0f %%); score %.0f to %.0f",
			vm.CPUDemandCores, from, 100*fromBefore.CPUUtilisation, 100*fromAfter.CPUUtilisation,
			to, 100*toBefore.CPUUtilisation, 100*toAfter.CPUUtilisation, before.Score, after.Score),
		Priority: priority, PredictedSeconds: seconds, before: before, after: after, steal: vm.CPUStealRatio,
		effects: []cluster.Effect{
			{Host: from, Name: cluster.CPUUtilisation, Before: fromBefore.CPUUtilisation, After: fromAfter.CPUUtilisation},
			{Host: from, Name: cluster.MemoryUtilisation, Before: fromBefore.MemoryUtilisation, After: fromAfter.MemoryUtilisation},
			{Host: to, Name: cluster.CPUUtilisation, Before: toBefore.CPUUtilisation, After: toAfter.CPUUtilisation},
			{Host: to, Name: cluster.MemoryUtilisation, Before: toBefore.MemoryUtilisation, After: toAfter.MemoryUtilisation},
		},
	}
}

// predictSeconds estimates a pre-copy migration: the used memory over the bandwidth, longer by the
// share that is dirtied meanwhile (a geometric series, cut off where pre-copy would not converge).
func (b *balancing) predictSeconds(v cluster.VM) float64 {
	const overheadSeconds = 1 // connection, set-up and switch-over
	if b.policy.BandwidthBytesPerSecond <= 0 {
		return overheadSeconds
	}
	memory := float64(v.MemoryBytes)
	if v.MemoryDemandBytes > 0 {
		memory = min(memory, float64(v.MemoryDemandBytes))
	}
	dirty := min(0.9, v.DirtyBytesPerSecond.Value/b.policy.BandwidthBytesPerSecond)
	return overheadSeconds + memory/b.policy.BandwidthBytesPerSecond/(1-dirty)
}

// dependencies returns the earlier steps that the step needs: none if it is possible and legal in
// the snapshot as it stands, else all of them.
func (b *balancing) dependencies(step Step, earlier []Step) []int {
	first := b.start.HostOf(step.VM) == step.From
	if len(earlier) == 0 || first && b.start.Illegal(step.VM, step.To, b.policy.Limits) == "" {
		return nil
	}
	var all []int
	for _, e := range earlier {
		all = append(all, e.Seq)
	}
	return all
}

// refused lists the VMs on the hosts that stand out which cannot be moved at all.
func (b *balancing) refused(hot []string) []Refusal {
	refused := []Refusal{}
	for _, v := range b.snap.VMs {
		if why := b.place.Blocked(v.ID); why != "" && slices.Contains(hot, b.place.HostOf(v.ID)) {
			refused = append(refused, Refusal{Subject: cluster.VMSubject(v.ID), Name: v.Name, Reason: why})
		}
	}
	return refused
}

// hosts returns the hosts that the detector's findings are about.
func hosts(findings []cluster.Finding, detector string) []string {
	var ids []string
	for _, f := range findings {
		if id, ok := cutHost(f.Subject); ok && f.Detector == detector {
			ids = append(ids, id)
		}
	}
	return ids
}

func cutHost(subject string) (id string, ok bool) {
	prefix := cluster.HostSubject("")
	if len(subject) <= len(prefix) || subject[:len(prefix)] != prefix {
		return "", false
	}
	return subject[len(prefix):], true
}
