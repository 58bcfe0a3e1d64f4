package actuator

import (
	"errors"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// The table from what two hosts say to what came of a migration. "-" is a host that does not answer,
// a trailing * a job under way.
func TestInterpret(t *testing.T) {
	act := cluster.Action{Kind: cluster.Migrate, VM: "v", From: "a", To: "b"}
	said := errors.New("broken pipe")
	for _, c := range []struct {
		from, to string
		said     error
		settled  bool
		result   cluster.Result
		runsOn   string
		reason   string
	}{
		{"shutoff", "running", nil, true, cluster.ResultDone, "b", ""},
		{"shutoff", "running", said, true, cluster.ResultDone, "b", "although: broken pipe"},
		{"running", "shutoff", said, true, cluster.ResultFailed, "a", "broken pipe; it still runs on a"},
		{"running", "shutoff", nil, true, cluster.ResultFailed, "a", "reported as done, but"},
		{"running", "-", said, true, cluster.ResultFailed, "a", "broken pipe"},
		{"running", "paused", said, true, cluster.ResultFailed, "a", "broken pipe"},
		{"running*", "paused", said, false, 0, "a", "still under way"},
		{"running*", "-", said, false, 0, "a", "still under way"},
		{"-", "running", said, false, 0, "b", "has not said that it is gone"},
		{"paused", "running", said, false, 0, "b", "has not said that it is gone"},
		{"-", "-", said, false, 0, "", "a does not answer; b does not answer"},
		{"-", "shutoff", said, false, 0, "", "a does not answer"},
		{"shutoff", "-", nil, false, 0, "", "b does not answer"},
		{"shutoff", "shutoff", said, true, cluster.ResultFailed, "", "it runs on neither host: it is shutoff on a and shutoff on b"},
		{"shutoff", "shutoff*", said, false, 0, "", "with a job under way"},
		{"shutoff", "paused*", nil, false, 0, "", "with a job under way"},
		{"paused", "shutoff", said, true, cluster.ResultFailed, "a", "it is paused on a"},
		{"running", "running", nil, false, 0, "", "both a and b"},
	} {
		got := interpret(cluster.Sighting{VM: "v", Hosts: append(says("a", c.from), says("b", c.to)...)}, act, c.said)
		if got.settled != c.settled || got.result != c.result || got.runsOn != c.runsOn || !strings.Contains(got.reason, c.reason) {
			t.Errorf("%s and %s with %v: %+v", c.from, c.to, c.said, got)
		}
	}
}

func says(host, word string) []cluster.SightingHost {
	if word == "-" {
		return nil
	}
	name, job := strings.CutSuffix(word, "*")
	h := cluster.SightingHost{Host: host, Job: job}
	if err := h.State.UnmarshalText([]byte(name)); err != nil {
		panic(err)
	}
	return []cluster.SightingHost{h}
}
