package actuator

import (
	"context"
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// finding is what a look at the two hosts of a migration says about its outcome.
type finding struct {
	// settled tells that nothing more will change, once so many looks in a row have said the same;
	// else look again.
	settled bool
	looks   int
	// job tells that the migration was seen under way.
	job    bool
	result cluster.Result
	reason string
	runsOn string
}

// interpret reads a sighting. Only the hypervisors' present words count; what the migration call
// said is the reason given, never the proof. A host that is silent proves nothing.
func interpret(s cluster.Sighting, act cluster.Action, said error) finding {
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
		return finding{settled: true, looks: looksForFailure(said), result: cluster.ResultFailed, runsOn: act.From, reason: failure(said, "it still runs on "+act.From)}
	case runsTo && fromAnswered && !from.Active():
		return finding{settled: true, looks: 1, result: cluster.ResultDone, runsOn: act.To, reason: success(said, act)}
	case runsTo:
		return finding{reason: fmt.Sprintf("it runs on %s, and %s has not said that it is gone there", act.To, act.From), runsOn: act.To}
	case fromAnswered && from.Active() && !fromJob && toAnswered && !to.Active():
		return finding{settled: true, looks: looksForFailure(said), result: cluster.ResultFailed, runsOn: act.From, reason: failure(said, fmt.Sprintf("it is %s on %s", from, act.From))}
	case fromAnswered && toAnswered && !from.Active() && !to.Active() && !fromJob && !toJob:
		return finding{settled: true, looks: manyLooks, result: cluster.ResultFailed,
			reason: failure(said, fmt.Sprintf("it runs on neither host: it is %s on %s and %s on %s", from, act.From, to, act.To))}
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

func failure(said error, seen string) string {
	if said == nil {
		return "the migration was reported as done, but " + seen
	}
	return said.Error() + "; " + seen
}

func success(said error, act cluster.Action) string {
	if said == nil {
		return ""
	}
	return fmt.Sprintf("it runs on %s and is gone from %s, although: %v", act.To, act.From, said)
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
