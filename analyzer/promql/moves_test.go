package promql_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// moves asks for what moved in the time, which begins at the epoch.
func moves(t *testing.T, o promql.Options, script string, from, to time.Duration, key string) cluster.Movements {
	t.Helper()
	src, err := promql.New(prometheus(t, "load 15s\n"+strings.TrimLeft(script, "\n")), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := src.Moves(context.Background(), time.Unix(0, 0).Add(from), time.Unix(0, 0).Add(to), key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// gone has the series end, as that of a VM does that left its host.
func gone(script string, n int) string {
	return strings.ReplaceAll(script, fmt.Sprintf("x%d", n), fmt.Sprintf("x%d stale", n))
}

func TestMovesAreSeen(t *testing.T) {
	o := options()
	o.ScrapeInterval = 15 * time.Second
	script := host("h1", 80, 1) + host("h2", 80, 1) +
		gone(vm("a", "h1", "running", 0, 20, 0.1, 0), 20) + vm("a", "h2", "running", 21, 59, 0.1, 0) + // moves at 315 s
		vm("b", "h1", "running", 0, 80, 0.1, 0) + // stays
		vm("c", "h2", "running", 40, 40, 0.1, 0) + // arrives at 585 s
		gone(vm("d", "h2", "running", 0, 30, 0.1, 0), 30) + // leaves after 450 s
		vm("e", "h1", "shutoff", 0, 80, 0, 0) + // never runs
		gone(vm("f", "h1", "running", 0, 25, 0.1, 0), 25) + vm("f", "h2", "running", 22, 58, 0.1, 0) + // is seen on both for a while
		gone(vm("g", "h1", "running", 0, 10, 0.1, 0), 10) + vm("g", "h3", "running", 11, 69, 0.1, 0) // goes to a host of another cluster
	m := moves(t, o, script, 0, 20*time.Minute, "")
	var got []string
	for _, one := range m.Moves {
		got = append(got, fmt.Sprintf("%s %s>%s %d-%d", one.Name, one.From, one.To, one.Last.Unix(), one.At.Unix()))
	}
	if text := strings.Join(got, "; "); text != "name-f h1>h2 375-390; name-a h1>h2 300-315" {
		t.Errorf("moves: %s", text)
	}
	if len(m.Arrived) != 1 || m.Arrived[0].VM != "c" || m.Arrived[0].To != "h2" || m.Arrived[0].At.Unix() != 585 {
		t.Errorf("arrived: %+v", m.Arrived)
	}
	if len(m.Left) != 2 || m.Left[0].VM != "d" || m.Left[0].From != "h2" || m.Left[0].Last.Unix() != 450 || m.Left[1].VM != "g" {
		t.Errorf("left: %+v", m.Left)
	}
	if m.StepSeconds != 15 || m.SeenFrom.Unix() != 0 || m.SeenTo.Unix() != 1200 {
		t.Errorf("looked every %v s, from %s to %s", m.StepSeconds, m.SeenFrom, m.SeenTo)
	}
	for _, key := range []string{"a", "name-a"} {
		if one := moves(t, o, script, 0, 20*time.Minute, key); len(one.Moves) != 1 || one.Moves[0].VM != "a" || len(one.Arrived)+len(one.Left) > 0 {
			t.Errorf("of %s alone: %+v", key, one)
		}
	}
	if none := moves(t, o, script, 0, 20*time.Minute, `x"} or vector(1`); len(none.Moves) != 0 {
		t.Errorf("a name that is a query: %+v", none)
	}
}

func TestATimeOfWhichNothingIsKnownIsTold(t *testing.T) {
	script := host("h1", 80, 1) + vm("a", "h1", "running", 40, 40, 0.1, 0)
	if m := moves(t, options(), script, 0, 5*time.Minute, ""); !m.SeenFrom.IsZero() || !m.SeenTo.IsZero() || len(m.Moves)+len(m.Arrived)+len(m.Left) != 0 {
		t.Errorf("%+v", m)
	}
	// What is the first that is known did not arrive then.
	if m := moves(t, options(), script, 0, 20*time.Minute, ""); m.SeenFrom.Unix() < 585 || m.SeenFrom.Unix() > 615 || len(m.Arrived) != 0 {
		t.Errorf("%+v", m)
	}
}

func TestMovesOfALongTimeAreLookedForLessOften(t *testing.T) {
	o := options()
	o.ScrapeInterval = 2 * time.Second
	if m := moves(t, o, vm("a", "h1", "running", 0, 80, 0.1, 0), 0, 7*24*time.Hour, ""); m.StepSeconds < 400 || m.StepSeconds > 404 {
		t.Errorf("looked every %v s", m.StepSeconds)
	}
}
