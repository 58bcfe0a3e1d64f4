package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// past tells of moves, and keeps what it was asked.
type past struct {
	moves []cluster.Move
	err   error
	asked *[2]time.Time
	// house is what was.
	house *house
}

func (p past) Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error) {
	j, err := p.house.Rehearse(ctx, at)
	return j.Snapshot, err
}

func (p past) Moves(_ context.Context, from, to time.Time, key string) (cluster.Movements, error) {
	if p.asked != nil {
		*p.asked = [2]time.Time{from, to}
	}
	m := filled[cluster.Movements]()
	if p.moves != nil {
		m = cluster.Movements{From: from, To: to, StepSeconds: 2, Moves: p.moves}
	}
	if key == "nobody" {
		m.Moves = []cluster.Move{}
	}
	return m, p.err
}

func TestAMoveIsOfTheRecommendationThatMadeIt(t *testing.T) {
	r := cluster.Recommendation{ID: "abc", Policy: "balance", Reason: "h1 is full", Action: cluster.Action{Kind: cluster.Migrate, VM: "1111", From: "h1", To: "h2"}}
	done := func(from, to time.Duration) cluster.Case {
		return cluster.Case{Recommendation: r, State: cluster.CaseDone, Approval: &cluster.Approval{Who: "ada"}, Outcome: &cluster.Outcome{Result: cluster.ResultDone, Started: at().Add(from), Finished: at().Add(to), RunsOn: "h2"}}
	}
	rejected := cluster.Case{Recommendation: r, State: cluster.CaseRejected}
	for name, c := range map[string]struct {
		cases []cluster.Case
		move  cluster.Move
		want  string
	}{
		"while it was done":    {[]cluster.Case{done(-4*time.Second, time.Second)}, cluster.Move{VM: "1111", From: "h1", To: "h2"}, "abc"},
		"to another host":      {[]cluster.Case{done(-4*time.Second, time.Second)}, cluster.Move{VM: "1111", From: "h1", To: "h3"}, ""},
		"another VM":           {[]cluster.Case{done(-4*time.Second, time.Second)}, cluster.Move{VM: "2222", From: "h1", To: "h2"}, ""},
		"an hour before":       {[]cluster.Case{done(-2*time.Hour, -time.Hour)}, cluster.Move{VM: "1111", From: "h1", To: "h2"}, ""},
		"an hour after":        {[]cluster.Case{done(time.Hour, 2*time.Hour)}, cluster.Move{VM: "1111", From: "h1", To: "h2"}, ""},
		"rejected by somebody": {[]cluster.Case{rejected}, cluster.Move{VM: "1111", From: "h1", To: "h2"}, ""},
	} {
		s, srv := serve(t, &house{cases: c.cases}, nil)
		c.move.Last, c.move.At = at().Add(-2*time.Second), at()
		s.SetPast(past{moves: []cluster.Move{c.move}})
		m, err := api.NewClient(srv.URL, "", nil).Moves(context.Background(), at().Add(-time.Hour), at().Add(time.Hour), "")
		if err != nil {
			t.Fatal(err)
		}
		got := m.Moves[0]
		if got.Recommendation != c.want || c.want != "" && (got.By != "ada" || got.Reason != "h1 is full" || got.Policy != "balance") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestMovesAreOfATimeThatMakesSense(t *testing.T) {
	s, srv := serve(t, &house{}, nil)
	client := api.NewClient(srv.URL, "", nil)
	if _, err := client.Moves(context.Background(), time.Time{}, time.Time{}, ""); err == nil {
		t.Error("without a past it answers")
	}
	var asked [2]time.Time
	s.SetPast(past{asked: &asked})
	if _, err := client.Moves(context.Background(), time.Time{}, at(), ""); err != nil || !asked[1].Equal(at()) || asked[1].Sub(asked[0]) != 24*time.Hour {
		t.Errorf("it asks for %s, %v", asked, err)
	}
	for _, q := range []string{"from=2026-11-22T10:00:00Z&to=2026-11-22T10:00:00Z", "from=2026-11-22T10:00:00Z&to=2026-11-21T10:00:00Z", "from=2026-01-22T10:00:00Z&to=2026-11-21T10:00:00Z"} {
		if got := status(t, s, "GET", "/api/v1/moves?"+q, "", ""); got != 400 {
			t.Errorf("%s gives %d", q, got)
		}
	}
}
