package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// remembers gives the server a past, a journal and a configuration, all with the names of the house.
func (h *house) remembers(s *api.Server) {
	if h.name == nil {
		return
	}
	s.SetPast(h)
	s.SetLedger(h)
	s.SetTrusted(h)
	s.SetTimetable(h)
	s.SetSettings([]cluster.Setting{{Key: "cluster", Value: h.name("demo"), Default: "default", Set: true, Meaning: h.name("what it is called")},
		{Key: "hosts[0].uri", Value: "qemu+tls://" + h.name("h"), Set: true, Restricted: true}, {Key: "external_labels." + h.name("site"), Value: h.name("north"), Set: true}})
}

func (h *house) Snapshot(context.Context, time.Time) (cluster.Snapshot, error) {
	return h.judged.Snapshot, nil
}

// Moves of one VM are none: only all together show any.
func (h *house) Moves(_ context.Context, from, to time.Time, key string) (cluster.Movements, error) {
	if key != "" {
		return cluster.Movements{From: from, To: to, StepSeconds: 2}, nil
	}
	m := cluster.Movements{From: from, To: to, StepSeconds: 2, SeenFrom: to.Add(-time.Minute), SeenTo: to}
	r := h.cases[0].Recommendation.Action
	m.Moves = []cluster.Move{{VM: r.VM, Name: r.Name, From: r.From, To: r.To, Last: time.Now().Add(-2 * time.Second), At: time.Now()}, {VM: h.name("id"), Name: h.name("stray"), From: h.name("h1"), To: h.name("h2"), At: to}}
	m.Arrived = []cluster.Move{{VM: h.name("id2"), Name: h.name("newcomer"), To: h.name("h1"), At: to}}
	m.Left = []cluster.Move{{VM: h.name("id3"), Name: h.name("goner"), From: h.name("h1"), Last: from}}
	return m, nil
}

func (h *house) Verify(context.Context, cluster.Head) (cluster.Verification, error) {
	v := cluster.Verification{Entries: 120, Head: cluster.Head{Seq: 120, Hash: strings.Repeat("ab", 32)}, Absent: []cluster.Span{{First: 1, Last: 2}}}
	if h.name("") != "" {
		v.Flaw = &cluster.Flaw{Kind: cluster.FlawChanged, Seq: 7, File: h.name("x.jsonl"), Detail: h.name("it has another hash")}
	}
	return v, nil
}

// Back tells of 120 entries.
func (h *house) Back(_ context.Context, before uint64, f func(cluster.Head, cluster.Entry) bool) error {
	kinds := []cluster.Entry{
		{Kind: cluster.EntryApproved, ID: h.cases[0].Recommendation.ID, Recommendation: &h.cases[0].Recommendation, Approval: &cluster.Approval{Who: h.name("bob"), Via: h.name("api"), Reason: h.name("because")}},
		{Kind: cluster.EntryOutcome, ID: h.name("id"), Outcome: &cluster.Outcome{Result: cluster.ResultFailed, Reason: h.name("no room")}},
		{Kind: cluster.EntryOrdered, ID: h.name("pause"), Order: &cluster.Order{Kind: cluster.OrderPause, Subject: "host/" + h.name("h1"), Word: cluster.Approval{Who: h.name("eve")}}},
		{Kind: cluster.EntryTrust, Trust: &cluster.TrustChange{Policy: h.name("balance"), Reason: h.name("it failed")}},
	}
	for seq := uint64(120); seq > 0; seq-- {
		if before > 0 && seq >= before {
			continue
		}
		e := kinds[seq%4]
		e.Seq, e.At = seq, time.Now()
		if !f(cluster.Head{Seq: seq, Hash: strings.Repeat("cd", 32)}, e) {
			break
		}
	}
	return nil
}

func (h *house) Levels() []cluster.KindLevel {
	return []cluster.KindLevel{{Policy: h.name("balance"), Level: cluster.LevelManual, Earned: true, Ceiling: cluster.LevelFull}, {Policy: "evacuate", Level: cluster.LevelFull, Ceiling: cluster.LevelFull}, {Policy: "reset", Level: cluster.LevelOff}, {Policy: cluster.Restart, Level: cluster.LevelManual}}
}

func (h *house) Trust() []cluster.TrustChange {
	return []cluster.TrustChange{{Policy: h.name("balance"), From: cluster.LevelFull, To: cluster.LevelManual, Reason: h.name("it took too long"), Since: time.Now()}}
}

func (h *house) Promises() []cluster.Promise {
	return []cluster.Promise{{ID: h.name("id"), Policy: h.name("balance"), Why: h.name("as promised"), Kept: true, At: time.Now(), ScoreError: cluster.Known(-0.5)}}
}

func (h *house) Schedules() []cluster.ScheduleState {
	return []cluster.ScheduleState{{Name: h.name("night"), Kind: cluster.ScheduleLevel, What: h.name("level full"), Until: h.judged.Snapshot.At.Add(time.Hour), Result: cluster.ScheduleOpen}}
}

func (h *house) Level() cluster.Level { return cluster.LevelManual }

func TestTheMapShowsATimeAndWhatMoved(t *testing.T) {
	h := newHouse(2, plainly)
	h.cases = h.cases[:1] // the others are of the same VM, and could have moved it as well
	h.cases[0].State, h.cases[0].Approval, h.cases[0].Outcome = cluster.CaseDone, &cluster.Approval{Who: "anna"}, &cluster.Outcome{Started: time.Now().Add(-time.Second), Finished: time.Now()}
	srv, b, _ := open(t, h, api.Viewer)
	_, now := get(t, b, srv.URL+"/map")
	has(t, now, `type="range"`, "h0000", "web0-0", "its exporter is silent", "Where everything is", "By the word of: anna", "takes 2 cores away", "moved by somebody else", "stray", "Prometheus does not reach back further")
	if strings.Contains(now, "data-still") {
		t.Error("the map of now is not kept up to date")
	}
	at := time.Now().Add(-90 * time.Minute).UTC().Format(time.RFC3339)
	code, page := get(t, b, srv.URL+"/map?at="+url.QueryEscape(at))
	if code != http.StatusOK {
		t.Fatal(code, page)
	}
	has(t, page, "data-still", "Where everything was", "1 hour and 30 minutes ago", `datetime="`+at+`"`)
	_, page = get(t, b, srv.URL+"/map?span=hour&ago=-600&end="+url.QueryEscape(at))
	has(t, page, `value="-600"`, "10 minutes ago", `max="0" step="10"`)
	_, page = get(t, b, srv.URL+"/map?from=2h&to=1h")
	has(t, page, "2 moves, 1 VMs arrived, 1 left", "newcomer", "goner")
	_, page = get(t, b, srv.URL+"/map?q=WEB1-0")
	if strings.Contains(page, `href="/hosts/h0000"`) || !strings.Contains(page, `chip running found`) {
		t.Error("the filter does not filter")
	}
	for _, q := range []string{"at=yesterday", "at=" + url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339)), "ago=soon", "ago=5", "from=nonsense"} {
		if code, page := get(t, b, srv.URL+"/map?"+q); code != http.StatusBadRequest || !strings.Contains(page, "That did not work") {
			t.Errorf("%s: %d", q, code)
		}
	}
	h.judged.Snapshot.VMs = nil
	for i := range h.judged.Snapshot.Hosts {
		h.judged.Snapshot.Hosts[i].State = cluster.HostUnknown
	}
	_, page = get(t, b, srv.URL+"/map?at="+url.QueryEscape(at))
	has(t, page, "Nothing is known of that time")
}

func TestOnlyTheFrameOfThePastIsAskedForAgain(t *testing.T) {
	srv, b, _ := open(t, newHouse(1, plainly), api.Viewer)
	r, err := http.NewRequest(http.MethodGet, srv.URL+"/map?at=1h", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Evenkeel-Live", "frame")
	resp, err := b.Do(r)
	code, page := body(t, resp, err)
	if code != http.StatusOK || !strings.Contains(page, `class="notices"`) || strings.Contains(page, "web0-0") {
		t.Errorf("%d\n%s", code, page)
	}
}

func TestTheJournalIsPagedAndVerified(t *testing.T) {
	srv, b, _ := open(t, newHouse(1, plainly), api.Viewer)
	seen, path := map[string]bool{}, "/journal"
	number := regexp.MustCompile(`<tr id="e(\d+)">`)
	for range 3 {
		_, page := get(t, b, srv.URL+path)
		for _, m := range number.FindAllStringSubmatch(page, -1) {
			if seen[m[1]] {
				t.Errorf("entry %s stands on two pages", m[1])
			}
			seen[m[1]] = true
		}
		next := regexp.MustCompile(`href="(/journal\?before=\d+)">Older entries`).FindStringSubmatch(page)
		if next == nil {
			break
		}
		path = next[1]
	}
	if len(seen) != 120 {
		t.Errorf("%d entries on three pages", len(seen))
	}
	_, page := get(t, b, srv.URL+"/journal?kind=ordered&q=H1")
	has(t, page, "ordered: pause host/h1", "eve", `<option selected>ordered</option>`)
	if strings.Contains(page, "migrate web0-0") || strings.Contains(page, "the chain is broken") {
		t.Error("the page has what was not asked for")
	}
	_, page = get(t, b, srv.URL+"/journal?verify=1")
	has(t, page, "✓ Yes.", "120 entries", "entries 1 to 2", "120:abab")
	if code, _ := get(t, b, srv.URL+"/journal?before=x"); code != http.StatusBadRequest {
		t.Errorf("a number that is none: %d", code)
	}
	broken, b, _ := open(t, newHouse(1, func(s string) string { return s + "!" }), api.Viewer)
	_, page = get(t, b, broken.URL+"/journal?verify=1")
	has(t, page, "the chain is broken", "entry 7 in x.jsonl! was changed")
}

func TestAutonomySaysWhatHappensByItself(t *testing.T) {
	h := newHouse(1, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/autonomy")
	has(t, page, "Of these kinds of action something can happen by itself:</strong> evacuate", "everything that is advised and that the gates let through.", "Waits for a person", "Trust was taken away", "it took too long", "1 of 1", "as promised", "Of these nothing happens at all")
	acting, asking := strings.Index(page, `id="acting"`), strings.Index(page, `id="asking"`)
	if at := strings.Index(page, "<h3>balance"); acting < 0 || at < asking {
		t.Error("what must be earned anew stands among what happens by itself")
	}
	h.orders = cluster.Orders{{Kind: cluster.OrderPause, Subject: "cluster", Word: cluster.Approval{Who: "anna", Reason: "I am afraid"}}, {Kind: cluster.OrderApprove, Subject: "cluster", Policy: "balance", Word: cluster.Approval{Who: "olga"}, Until: time.Now().Add(time.Hour)}}
	_, page = get(t, b, srv.URL+"/autonomy")
	has(t, page, "Nothing happens now.", "anna paused the whole cluster (I am afraid)", "Approved in advance", "while that holds")
}

func TestSettingsHideWhereThingsAre(t *testing.T) {
	srv, b, _ := open(t, newHouse(1, plainly), api.Viewer)
	_, page := get(t, b, srv.URL+"/settings")
	has(t, page, "demo", "what it is called", "takes the role operator", "external_labels.site", "night", "in force")
	if strings.Contains(page, "tls://") {
		t.Error("a viewer is shown how a host is reached")
	}
	_, page = get(t, b, srv.URL+"/settings?q=SITE")
	if !strings.Contains(page, "north") || strings.Contains(page, "what it is called") {
		t.Error("the filter does not filter")
	}
	post(t, b, srv.URL+"/login", "token", "operator-token", "back", "/")
	_, page = get(t, b, srv.URL+"/settings")
	has(t, page, "tls://h")
}

func TestWithoutAPastThePagesSaySo(t *testing.T) {
	srv, b, _ := open(t, &house{judged: newHouse(1, plainly).judged}, api.Viewer)
	for path, want := range map[string]string{"/map": "does not look into the past", "/journal": "keeps no journal", "/autonomy": "does nothing by itself", "/settings": "shows no configuration"} {
		if code, page := get(t, b, srv.URL+path); code != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("%s: %d %s", path, code, page)
		}
	}
}

func TestBeforeTheFirstLookTheMapSaysSo(t *testing.T) {
	srv, b, _ := open(t, &house{}, api.Viewer)
	if code, page := get(t, b, srv.URL+"/map"); code != http.StatusOK || !strings.Contains(page, "It cannot be seen: the first pass has not ended yet") {
		t.Errorf("%d\n%s", code, page)
	}
}

func TestAThousandHostsAreUsableOnTheMap(t *testing.T) {
	srv, b, _ := open(t, newHouse(1000, plainly), api.Viewer)
	code, page := get(t, b, srv.URL+"/map?at=1m")
	if tiles := strings.Count(page, `<li class="tile`); code != http.StatusOK || tiles != 240 || len(page) > 512<<10 || !strings.Contains(page, fmt.Sprintf("%d more hosts", 760)) {
		t.Errorf("%d, %d tiles in %d bytes", code, tiles, len(page))
	}
}
