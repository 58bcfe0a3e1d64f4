package actuator

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// finding is what a look at the two hosts of a migration says about its outcome.
type finding struct {
	// settled tells that nothing more will change; else look again.
	settled bool
	result  cluster.Result
	reason  string
	runsOn  string
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
		return finding{reason: fmt.Sprintf("the migration is still under way on %s", act.From), runsOn: act.From}
	case runsFrom:
		return finding{settled: true, result: cluster.ResultFailed, runsOn: act.From, reason: failure(said, "it still runs on "+act.From)}
	case runsTo && fromAnswered && !from.Active():
		return finding{settled: true, result: cluster.ResultDone, runsOn: act.To, reason: success(said, act)}
	case runsTo:
		return finding{reason: fmt.Sprintf("it runs on %s, and %s has not said that it is gone there", act.To, act.From), runsOn: act.To}
	case fromAnswered && from.Active() && !fromJob && toAnswered && !to.Active():
		return finding{settled: true, result: cluster.ResultFailed, runsOn: act.From, reason: failure(said, fmt.Sprintf("it is %s on %s", from, act.From))}
	}
	return finding{reason: fmt.Sprintf("%s; %s", word(act.From, from, fromJob, fromAnswered), word(act.To, to, toJob, toAnswered))}
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
