package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// replies answers each path with a value, and keeps what it was asked.
func replies(t *testing.T, values map[string]any) (url string, asked func() string) {
	t.Helper()
	last := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.URL.RequestURI()
		if err := json.NewEncoder(w).Encode(values[r.URL.Path]); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() string { return last }
}

// says runs a command and looks for words in what it prints.
func says(t *testing.T, args []string, words ...string) string {
	t.Helper()
	out, err := execute(t, t.Context(), args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	flat := strings.Join(strings.Fields(out), " ")
	for _, w := range words {
		if !strings.Contains(flat, w) {
			t.Errorf("%v: %q is missing in\n%s", args, w, out)
		}
	}
	return out
}

func TestMovesSaysWhoMovedWhat(t *testing.T) {
	now := time.Now()
	m := cluster.Movements{From: now.Add(-time.Hour), To: now, StepSeconds: 2, SeenFrom: now.Add(-30 * time.Minute), SeenTo: now,
		Moves:   []cluster.Move{{VM: "1", Name: "web1", From: "h1", To: "h2", At: now, Recommendation: "abc", Reason: "h1 is full", By: "ada"}, {VM: "2", From: "h2", To: "h1", At: now}},
		Arrived: []cluster.Move{{VM: "3", Name: "new", To: "h1", At: now}}, Left: []cluster.Move{{VM: "4", Name: "old", From: "h2", Last: now}}}
	url, asked := replies(t, map[string]any{"/api/v1/moves": m})
	says(t, []string{"moves", "web1", "--from", "2h", "--to", "2026-11-22T10:00:00Z", "--server", url},
		"Prometheus does not reach back further", "every 2 s", "web1 h1 h2 abc, ada h1 is full", "2 h2 h1 somebody else no recommendation explains it", "new - h1", "old h2 -")
	if q := asked(); !strings.Contains(q, "vm=web1") || !strings.Contains(q, "to=2026-11-22T10%3A00%3A00Z") || !strings.Contains(q, "from=") {
		t.Errorf("it asks for %s", q)
	}
	blank, _ := replies(t, map[string]any{"/api/v1/moves": cluster.Movements{From: now.Add(-time.Hour), To: now, StepSeconds: 2}})
	says(t, []string{"moves", "--server", blank}, "Prometheus holds nothing of that time")
	if _, err := execute(t, t.Context(), "moves", "--from", "yesterday", "--server", url); err == nil || !strings.Contains(err.Error(), "--from") {
		t.Errorf("a time that is none: %v", err)
	}
}

func TestJournalListsEntries(t *testing.T) {
	page := api.JournalPage{Entries: []cluster.JournalLine{{Seq: 7, Hash: strings.Repeat("ab", 32), At: time.Now(), Kind: cluster.EntryApproved, What: "a yes to: migrate web1", Who: "ada", Said: "fine"}, {Seq: 6, Kind: cluster.EntryNone, What: "this entry cannot be read"}},
		Before: 6, Looked: 20000, Stopped: "20000 entries were looked at", Archived: 5}
	url, asked := replies(t, map[string]any{"/api/v1/journal": page})
	says(t, []string{"journal", "web1", "--kind", "approved", "--about", "h1", "--before", "9", "--limit", "5", "--server", url},
		"7", "ada a yes to: migrate web1 - fine abababababab", "this entry cannot be read", "stopped early: 20000 entries", "--before 6", "5 older entries stand in the archive")
	if q := asked(); q != "/api/v1/journal?about=h1&before=9&kind=approved&limit=5&q=web1" {
		t.Errorf("it asks for %s", q)
	}
}

func TestAutonomySaysWhatHappensByItself(t *testing.T) {
	a := api.Autonomy{Level: cluster.LevelManual, Orders: cluster.Orders{{Kind: cluster.OrderPause, Subject: "cluster", Word: cluster.Approval{Who: "ada"}}}, Kinds: []api.KindAutonomy{
		{Level: cluster.KindLevel{Policy: "balance", Level: cluster.LevelManual, Earned: true, Ceiling: cluster.LevelFull}, Kept: 3, Of: 4, Standing: &trust.Standing{Wants: "20 more measured actions"}, Changed: &cluster.TrustChange{From: cluster.LevelFull, To: cluster.LevelManual, Reason: "it failed"}},
		{Level: cluster.KindLevel{Policy: "evacuate", Level: cluster.LevelFull}, ByItself: "everything"}, {Level: cluster.KindLevel{Policy: "quarantine", Level: cluster.LevelFull, TwoPeople: true}},
		{Level: cluster.KindLevel{Policy: "reset", Level: cluster.LevelOff}}}}
	url, _ := replies(t, map[string]any{"/api/v1/autonomy": a})
	says(t, []string{"autonomy", "--server", url}, "the automation level is manual", "balance manual nothing: a person must say yes 3 of 4 20 more measured actions -: full to manual, it failed",
		"evacuate full everything", "quarantine full nothing: two people must say yes", "reset off nothing, approved or not", "pause cluster, says ada")
}

func TestConfigShowsWhatIsInForce(t *testing.T) {
	url, _ := replies(t, map[string]any{"/api/v1/config": []cluster.Setting{{Key: "cluster", Value: "prod", Default: "default", Set: true}, {Key: "analysis.window", Value: "15m", Default: "15m"}, {Key: "hosts[0].uri", Set: true, Restricted: true, Withheld: true}}})
	says(t, []string{"config", "--server", url}, "cluster prod default", "analysis.window 15m the same", "hosts[0].uri (takes the role operator)")
	if out := says(t, []string{"config", "--changed", "--server", url}, "cluster"); strings.Contains(out, "analysis") {
		t.Errorf("the default is among what was changed:\n%s", out)
	}
	if out := says(t, []string{"config", "analysis", "--server", url}, "analysis.window"); strings.Contains(out, "prod") {
		t.Errorf("it shows more than was asked for:\n%s", out)
	}
}
