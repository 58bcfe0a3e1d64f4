package actuator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// finding is what a look at the hosts of an action says about its outcome.
type finding struct {
	// settled tells that nothing more will change, once so many looks in a row have said the same;
	// else look again.
	settled bool
	looks   int
	// job tells that the migration, or the copying of disks, was seen under way.
	job    bool
	result cluster.Result
	reason string
	runsOn string
}

// interpret reads a sighting. Only the hypervisors' present words count; what the call
// said is the reason given, never the proof. A host that is silent proves nothing.
func interpret(s cluster.Sighting, act cluster.Action, said error) finding {
	switch act.Kind {
	case cluster.Migrate:
		return interpretMigration(s, act, said)
	case cluster.MoveStorage:
		return interpretStorage(s, act, said)
	case cluster.Reset:
		return interpretReset(s, act, said)
	case cluster.Forget:
		return interpretForgetting(s, act, said)
	case cluster.Start, cluster.Shutdown, cluster.Suspend, cluster.Resume:
		return interpretState(s, act, said)
	case cluster.KindNone, cluster.Maintenance, cluster.Fence, cluster.Standby, cluster.Wake:
	}
	return finding{settled: true, result: cluster.ResultFailed, reason: fmt.Sprintf("nobody knows how to tell what came of %q", act.Kind)}
}

// interpretState holds the VM's state against the one that the action was to leave it in.
func interpretState(s cluster.Sighting, act cluster.Action, said error) finding {
	state, job, answered := s.On(act.At())
	f := finding{settled: true, looks: 1, reason: word(act.At(), state, job, answered)}
	if state == cluster.VMRunning {
		f.runsOn = act.At()
	}
	done := state == act.Leaves() || act.Kind == cluster.Shutdown && !state.Active()
	switch {
	case !answered:
		f.settled = false
	case done:
		f.result, f.reason = cluster.ResultDone, although(said, f.reason)
	default:
		f.looks, f.result, f.reason = looksForFailure(said), cluster.ResultFailed, failure(said, act.Kind, f.reason)
	}
	return f
}

// interpretReset has to take libvirt's word: a VM that was reset looks like one that was not.
func interpretReset(s cluster.Sighting, act cluster.Action, said error) finding {
	f := interpretState(s, act, said)
	if f.result == cluster.ResultDone && said != nil {
		f.result, f.reason = cluster.ResultFailed, said.Error()+"; "+word(act.From, cluster.VMRunning, false, true)+", and it cannot be told whether it was reset"
	}
	return f
}

// interpretStorage looks where the disks are.
func interpretStorage(s cluster.Sighting, act cluster.Action, said error) finding {
	state, _, answered := s.On(act.From)
	job := slices.ContainsFunc(s.Hosts, func(h cluster.SightingHost) bool { return h.Host == act.From && h.Copying })
	f := finding{job: job, reason: word(act.From, state, job, answered)}
	if state == cluster.VMRunning {
		f.runsOn = act.From
	}
	if !answered || job {
		return f
	}
	var elsewhere []string
	for _, h := range s.Hosts {
		elsewhere = append(elsewhere, h.Elsewhere...)
	}
	f.settled = true
	switch {
	case !state.Active():
		f.looks, f.result, f.reason = manyLooks, cluster.ResultFailed, failure(said, act.Kind, f.reason)
	case len(elsewhere) == 0:
		f.looks, f.result, f.reason = 1, cluster.ResultDone, although(said, "every disk is in "+act.Pool)
	default:
		f.looks, f.result, f.reason = looksForFailure(said), cluster.ResultFailed, failure(said, act.Kind, fmt.Sprintf("disks %v are not in %s", elsewhere, act.Pool))
	}
	return f
}

// interpretForgetting looks whether the host still knows the VM.
func interpretForgetting(s cluster.Sighting, act cluster.Action, said error) finding {
	state, job, answered := s.On(act.From)
	f := finding{settled: answered, looks: 1, reason: word(act.From, state, job, answered)}
	known := slices.ContainsFunc(s.Hosts, func(h cluster.SightingHost) bool { return h.Host == act.From && (h.Defined || h.State.Active()) })
	switch {
	case !answered:
	case known:
		f.looks, f.result, f.reason = looksForFailure(said), cluster.ResultFailed, failure(said, act.Kind, act.From+" still knows it")
	default:
		f.result, f.reason = cluster.ResultDone, although(said, act.From+" does not know it any more")
	}
	return f
}

// switched tells what came of turning a host off, by the word of what switches it.
func switched(r cluster.PowerReport, said error) finding {
	switch r.State {
	case cluster.PowerOff:
		return finding{settled: true, looks: 1, result: cluster.ResultDone, reason: although(said, r.Method+" says that it is off")}
	case cluster.PowerOn:
		return finding{settled: true, looks: fewLooks, result: cluster.ResultFailed, reason: failure(said, cluster.Fence, r.Method+" says that it is on")}
	case cluster.PowerUnknown:
	}
	if said != nil { // its own account of every way that was tried
		return finding{settled: true, looks: 1, result: cluster.ResultFailed, reason: said.Error()}
	}
	return finding{reason: r.Reason}
}

// kept tells what came of putting a host into maintenance.
func kept(inForce bool, said error) finding {
	if inForce {
		return finding{settled: true, looks: 1, result: cluster.ResultDone}
	}
	return finding{settled: true, looks: 1, result: cluster.ResultFailed, reason: failure(said, cluster.Maintenance, "no such order is in force")}
}

func interpretMigration(s cluster.Sighting, act cluster.Action, said error) finding {
	from, fromJob, fromAnswered := s.On(act.From)
	to, toJob, toAnswered := s.On(act.To)
	runsFrom := fromAnswered && from == cluster.VMRunning
	runsTo := toAnswered && to == cluster.VMRunning
	switch {
	case runsFrom && runsTo:
		return finding{reason: fmt.Sprintf("both %s and %s say that they run it", act.From, act.To)}
	case runsFrom && fromJob:
		return finding{job: true, reason: fmt.Sprintf("the migration is still under way on %s", act.From), runsOn: act.From}
	case runsFrom:
		return finding{settled: true, looks: looksForFailure(said), result: cluster.ResultFailed, runsOn: act.From, reason: failure(said, act.Kind, "it still runs on "+act.From)}
	case runsTo && fromAnswered && !from.Active():
		return finding{settled: true, looks: 1, result: cluster.ResultDone, runsOn: act.To, reason: although(said, fmt.Sprintf("it runs on %s and is gone from %s", act.To, act.From))}
	case runsTo:
		return finding{reason: fmt.Sprintf("it runs on %s, and %s has not said that it is gone there", act.To, act.From), runsOn: act.To}
	case fromAnswered && from.Active() && !fromJob && toAnswered && !to.Active():
		return finding{settled: true, looks: looksForFailure(said), result: cluster.ResultFailed, runsOn: act.From, reason: failure(said, act.Kind, fmt.Sprintf("it is %s on %s", from, act.From))}
	case fromAnswered && toAnswered && !from.Active() && !to.Active() && !fromJob && !toJob:
		return finding{settled: true, looks: manyLooks, result: cluster.ResultFailed,
			reason: failure(said, act.Kind, fmt.Sprintf("it runs on neither host: it is %s on %s and %s on %s", from, act.From, to, act.To))}
	}
	return finding{reason: fmt.Sprintf("%s; %s", word(act.From, from, fromJob, fromAnswered), word(act.To, to, toJob, toAnswered))}
}

const (
	// fewLooks bridge the moment in which a VM changes hosts, between the words of the two.
	fewLooks = 2
	// manyLooks are for when more may come: a call that libvirt has not answered could begin late.
	manyLooks = 15
)

func looksForFailure(said error) int {
	if errors.Is(said, context.DeadlineExceeded) {
		return manyLooks
	}
	return fewLooks
}

func failure(said error, kind cluster.Kind, seen string) string {
	switch {
	case said != nil:
		return said.Error() + "; " + seen
	case kind == cluster.Migrate:
		return "the migration was reported as done, but " + seen
	}
	return fmt.Sprintf("%s was reported as done, but %s", kind, seen)
}

// although is the reason for a success: none, unless the call said otherwise.
func although(said error, seen string) string {
	if said == nil {
		return ""
	}
	return fmt.Sprintf("%s, although: %v", seen, said)
}

func word(host string, state cluster.VMState, job, answered bool) string {
	switch {
	case !answered:
		return host + " does not answer"
	case job:
		return fmt.Sprintf("it is %s on %s, with a job under way", state, host)
	}
	return fmt.Sprintf("it is %s on %s", state, host)
}
