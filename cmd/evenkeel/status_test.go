package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// A cluster that nobody has seen yet, or of which nothing is known, must not look like one that is well.
func TestAStatusClaimsNothingThatWasNotSeen(t *testing.T) {
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name       string
		status     api.Status
		board      analyzer.Judgement
		says, lies string
	}{
		{"before the first pass", api.Status{LastError: "Prometheus did not answer", Servers: &api.Servers{All: []api.Peer{{ID: "a", Leads: true}}}}, analyzer.Judgement{},
			"NOTHING WAS SEEN YET|THE LAST PASS FAILED: Prometheus did not answer|the server a", "score"},
		{"hosts that are not seen", api.Status{Cluster: "prod", SnapshotAt: at}, analyzer.Judgement{Snapshot: cluster.Snapshot{At: at, Cluster: "prod"}}, "cluster prod|score not known", "100"},
		{"a freeze", api.Status{Cluster: "prod", SnapshotAt: at, Stops: []cluster.Verdict{{Gate: "freeze", Detail: "freeze audit is on until then"}}}, analyzer.Judgement{Snapshot: cluster.Snapshot{At: at}}, "STOPPED by freeze: freeze audit is on until then", "score 100"},
		{"a VM that has all it wants", api.Status{Cluster: "prod", SnapshotAt: at}, analyzer.Judgement{Scores: []cluster.VMScore{{VM: "a"}}}, "score 100 of 100", "not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var page bytes.Buffer
			out := newTable(&page)
			drawStatus(out, c.status, c.board)
			if err := out.w.Flush(); err != nil {
				t.Fatal(err)
			}
			for _, want := range strings.Split(c.says, "|") {
				if !strings.Contains(page.String(), want) {
					t.Errorf("it does not say %q:\n%s", want, page.String())
				}
			}
			if strings.Contains(page.String(), c.lies) {
				t.Errorf("it says %q:\n%s", c.lies, page.String())
			}
		})
	}
}
