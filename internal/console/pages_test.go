package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"golang.org/x/net/html"
)

// section is the part of the page under the heading with that ID.
func section(t *testing.T, page, id string) string {
	t.Helper()
	_, part, found := strings.Cut(page, `<section aria-labelledby="`+id+`"`)
	if !found {
		t.Fatalf("there is no section %s:\n%s", id, page)
	}
	part, _, _ = strings.Cut(part, "</section>")
	return part
}

// questions are the links by which a part of a page asks for numbers.
func questions(t *testing.T, part string) []url.Values {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	var all []url.Values
	for n := range doc.Descendants() {
		if u, err := url.Parse(attribute(n, "href")); n.Data == "a" && err == nil && u.Path == "/prometheus/api/v1/query" {
			all = append(all, u.Query())
		}
	}
	return all
}

// another is the case under another ID, with what is to be different.
func another(c cluster.Case, id string, change func(*cluster.Case)) cluster.Case {
	c.Recommendation.ID = id
	if change != nil {
		change(&c)
	}
	return c
}

func TestMoreThanIsListedIsSaidWithoutANumberThatNobodyKnows(t *testing.T) {
	h := newHouse(1, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	for i := range 29 {
		h.cases = append(h.cases, another(h.cases[1], fmt.Sprintf("old-%d", i), nil))
	}
	pages := map[string]string{"/recommendations": "ended", "/hosts/h0000": "ended", "/vms/id-0-0": "ended"}
	for path, id := range pages {
		if _, page := get(t, b, srv.URL+path); strings.Contains(section(t, page, id), "and more") {
			t.Errorf("%s: all 30 are listed", path)
		}
	}
	h.cases = append(h.cases, another(h.cases[1], "one too many", nil))
	for path, id := range pages {
		_, page := get(t, b, srv.URL+path)
		part := section(t, page, id)
		has(t, part, "and more: <code>evenkeel history</code>")
		if n := strings.Count(part, `<td><a href="/recommendations/`); n != 30 {
			t.Errorf("%s lists %d", path, n)
		}
	}
}

// Steps of a plan need not raise the score, so it does not tell which comes first.
func TestOtherStepsOfThePlanAreCountedWhateverTheScore(t *testing.T) {
	h := newHouse(2, plainly)
	first := h.cases[0]
	h.cases = append(h.cases, another(first, "lower", func(c *cluster.Case) { c.Recommendation.Before.Score = first.Recommendation.Before.Score - 5 }),
		another(first, "same", nil), another(first, "another look", func(c *cluster.Case) { c.Recommendation.Made = c.Recommendation.Made.Add(time.Minute) }))
	srv, b, _ := open(t, h, api.Viewer)
	for _, id := range []string{first.Recommendation.ID, "lower", "same"} {
		_, page := get(t, b, srv.URL+"/recommendations/"+id)
		has(t, section(t, page, "effect"), "It is part of a plan: 2 other steps of it are not done yet.")
	}
	if _, page := get(t, b, srv.URL+"/recommendations/another%20look"); strings.Contains(page, "part of a plan") {
		t.Error("what was made of another look is taken for a step of the plan")
	}
}

func TestEvidenceIsAskedForAsOfItsTime(t *testing.T) {
	h := newHouse(1, plainly)
	made := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Second).Add(250 * time.Millisecond)
	h.cases[0].Recommendation.Made = made
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/recommendations/"+h.cases[0].Recommendation.ID)
	asked := questions(t, section(t, page, "because"))
	if len(asked) != 1 || asked[0].Get("query") != `sum(x{a="b"})` || asked[0].Get("time") != made.Format(time.RFC3339Nano) {
		t.Errorf("made at %s, asks %v", made, asked)
	}
}

func TestWhatWasFoundStandsWithItsEvidence(t *testing.T) {
	h := newHouse(1, plainly)
	h.judged.Findings[1].Evidence = []cluster.Evidence{{Name: "steal_ratio", Value: 0.125, Unit: "ratio", Limit: cluster.Known(0.05), Query: "steal"}}
	srv, b, _ := open(t, h, api.Viewer)
	for path, words := range map[string][]string{
		"/hosts/h0000": {"it stands out", "cpu utilisation", "90.0 %", "80.0 %", "sum(x{a=&#34;b&#34;})"},
		"/vms/id-0-0":  {"steal ratio", "12.5 %", "5.0 %", "<code>steal</code>"},
	} {
		_, page := get(t, b, srv.URL+path)
		part := section(t, page, "found")
		has(t, part, words...)
		if asked := questions(t, part); len(asked) != 1 || asked[0].Get("time") != h.judged.Snapshot.At.Format(time.RFC3339Nano) {
			t.Errorf("%s: seen at %s, asks %v", path, h.judged.Snapshot.At, asked)
		}
	}
}

// travelled is a past in which one VM went to and fro.
type travelled struct {
	vm, name string
	// moves are the newest first; it ran from begun, or always, until seen.
	moves       []cluster.Move
	begun, seen time.Time
	// last is the cluster as it was then.
	last cluster.Snapshot
	err  error
}

func (p travelled) Moves(_ context.Context, from, to time.Time, key string) (cluster.Movements, error) {
	m := cluster.Movements{From: from, To: to, StepSeconds: max(2, to.Sub(from).Seconds()/1500)}
	if p.err != nil || key != "" && key != p.vm && key != p.name {
		return m, p.err
	}
	step := time.Duration(m.StepSeconds * float64(time.Second)).Truncate(time.Second)
	before := func(t time.Time) time.Time { return from.Add(t.Sub(from) / step * step) } // the last look until then
	last := to
	if p.seen.Before(to) {
		last = p.seen
	}
	first := from
	if p.begun.After(from) {
		first = before(p.begun).Add(step)
	}
	if last = before(last); last.Before(first) {
		return m, nil
	}
	m.SeenFrom, m.SeenTo = first, last
	for _, one := range p.moves {
		if look := before(one.At.Add(-1)); !look.Before(first) && !one.At.After(to) {
			m.Moves = append(m.Moves, one)
		}
	}
	return m, nil
}

func (p travelled) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	s := p.last
	s.At = at
	return s, nil
}

func TestAVMThatIsGoneHasAPageOfWhatIsKnownOfIt(t *testing.T) {
	h := newHouse(2, plainly)
	srv, b, s := open(t, h, api.Viewer)
	seen := time.Now().Add(-50 * time.Hour).UTC().Truncate(time.Second)
	past := travelled{vm: "lost", name: "lost-web", seen: seen, last: cluster.Snapshot{VMs: []cluster.VM{{ID: "lost", Name: "lost-web", Host: "h0001", State: cluster.VMRunning}}},
		moves: []cluster.Move{{VM: "lost", Name: "lost-web", From: "h0000", To: "h0001", Last: seen.Add(-2 * time.Hour), At: seen.Add(-2 * time.Hour)}}}
	s.SetPast(past)
	h.cases = append(h.cases, another(h.cases[1], "its-last", func(c *cluster.Case) {
		c.Recommendation.Action.VM, c.Recommendation.Action.Name, c.Recommendation.Because = "lost", "lost-web", nil
	}))
	code, page := get(t, b, srv.URL+"/vms/lost")
	if code != http.StatusOK {
		t.Fatalf("%d\n%s", code, page)
	}
	has(t, page, "<h1>lost-web", "No host has it any more", `last seen running on <a href="/hosts/h0001">`, "What it was defined by", "renamed", "In the journal")
	// It is looked for every half hour first and then closer.
	stamped := regexp.MustCompile(`at <time datetime="([^"]+)">[^<]*</time> \(<a`).FindStringSubmatch(page)
	if at, err := time.Parse(time.RFC3339, stamped[1]); err != nil || seen.Sub(at).Abs() > 4*time.Second {
		t.Errorf("seen at %s, the page says %s", seen, stamped[1])
	}
	has(t, section(t, page, "travels"), "<td>h0000</td><td>h0001</td>", "moved by somebody else")
	has(t, section(t, page, "ended"), `href="/recommendations/its-last"`)

	without := past
	without.moves = nil
	s.SetPast(without)
	if _, page := get(t, b, srv.URL+"/vms/lost"); !strings.Contains(page, `last seen running on <a href="/hosts/h0001">`) {
		t.Errorf("the snapshot of that time says where it was:\n%s", page)
	}
	past.last = cluster.Snapshot{}
	s.SetPast(past)
	if _, page := get(t, b, srv.URL+"/vms/lost"); !strings.Contains(page, `last seen running on <a href="/hosts/h0001">`) {
		t.Errorf("the last move says where it was:\n%s", page)
	}
	past.err = errors.New("Prometheus is away")
	s.SetPast(past)
	_, page = get(t, b, srv.URL+"/vms/lost")
	has(t, page, "<h1>renamed", "When it was last seen is not known: Prometheus is away")
	s.SetPast(travelled{})
	_, page = get(t, b, srv.URL+"/vms/lost")
	has(t, page, "It was not seen running in the last 31 days")
	if code, _ := get(t, b, srv.URL+"/vms/nobody"); code != http.StatusNotFound {
		t.Errorf("a name that nobody ever had: %d", code)
	}
}

func TestTheJournalOfAVMThatIsGoneIsRead(t *testing.T) {
	h := newHouse(1, plainly)
	h.judged.Snapshot.VMs = h.judged.Snapshot.VMs[1:]
	h.cases = h.cases[:1]
	h.cases[0].State = cluster.CaseWithdrawn
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/vms/id-0-0")
	part := section(t, page, "entries")
	has(t, part, "a yes to: migrate web0-0", "bob", "because")
	if n := strings.Count(part, "<tr>"); n != 31 && !strings.Contains(part, "/journal?about=id-0-0") {
		t.Errorf("%d lines of the journal:\n%s", n, part)
	}
}

func TestMovesByWhomeverAreListedAndCounted(t *testing.T) {
	h := newHouse(2, plainly)
	now := time.Now().Truncate(time.Second)
	done := &h.cases[1] // evenkeel's own
	done.Outcome.Started, done.Outcome.Finished, done.Outcome.RunsOn = now.Add(-time.Hour-time.Second), now.Add(-time.Hour), "h0001"
	own := cluster.Move{VM: "id-0-0", Name: "web0-0", From: "h0000", To: "h0001", Last: now.Add(-time.Hour - time.Second), At: now.Add(-time.Hour)}
	past := travelled{vm: "id-0-0", name: "web0-0", seen: now, moves: []cluster.Move{own,
		{VM: "id-0-0", Name: "web0-0", From: "h0009", To: "h0000", At: now.Add(-3 * time.Hour), Last: now.Add(-3 * time.Hour)},
		{VM: "id-9-9", Name: "elsewhere", From: "h0007", To: "h0008", At: now.Add(-3 * time.Hour), Last: now.Add(-3 * time.Hour)}}}
	srv, b, s := open(t, h, api.Viewer)
	s.SetPast(past)
	for _, path := range []string{"/vms/id-0-0", "/hosts/h0000"} {
		_, page := get(t, b, srv.URL+path)
		part := section(t, page, "travels")
		has(t, part, "<td>h0000</td><td>h0001</td>", `<a href="/recommendations/done">balance</a>: takes 2 cores away`, "By the word of: bob", "<td>h0009</td><td>h0000</td>", "moved by somebody else", `count">2<`)
		if strings.Contains(part, "elsewhere") || strings.Contains(part, " more: ") {
			t.Errorf("%s:\n%s", path, part)
		}
	}
	for i := range 35 {
		past.moves = append(past.moves, cluster.Move{VM: "id-0-0", Name: "web0-0", From: "h0000", To: "h0001", At: now.Add(-time.Duration(4*60+i) * time.Minute), Last: now.Add(-time.Duration(4*60+i) * time.Minute)})
	}
	s.SetPast(past)
	_, page := get(t, b, srv.URL+"/vms/id-0-0")
	part := section(t, page, "travels")
	has(t, part, "and 7 more: <code>evenkeel moves</code>", "30 of 37")
	if n := strings.Count(part, "<tr>"); n != 31 {
		t.Errorf("%d lines", n)
	}
	past.err = errors.New("Prometheus is away")
	s.SetPast(past)
	_, page = get(t, b, srv.URL+"/hosts/h0000")
	has(t, section(t, page, "travels"), "They are not known: Prometheus is away")
}

func TestHostileNamesOfWhatIsGoneAreNeverMarkup(t *testing.T) {
	for i, name := range hostile() {
		h := newHouse(1, name)
		srv, b, s := open(t, h, api.Viewer)
		vm, now := h.judged.Snapshot.VMs[0], time.Now().Truncate(time.Second)
		last := h.judged.Snapshot
		h.judged.Snapshot.VMs = nil
		s.SetPast(travelled{vm: vm.ID, name: vm.Name, seen: now, last: last, moves: []cluster.Move{{VM: vm.ID, Name: vm.Name, From: name("from"), To: vm.Host, At: now.Add(-time.Hour), Last: now.Add(-time.Hour)}}})
		for _, path := range []string{"/vms/" + url.PathEscape(vm.ID), "/hosts/" + url.PathEscape(vm.Host)} {
			code, page := get(t, b, srv.URL+path)
			if code != http.StatusOK {
				t.Errorf("name %d, %s: %d", i, path, code)
			}
			harmless(t, fmt.Sprintf("name %d, %s", i, path), page)
		}
	}
}

// row is the text of the cells of the table's row under that heading.
func row(t *testing.T, part, heading string) string {
	t.Helper()
	_, cells, found := strings.Cut(part, ` scope="row">`+heading+"</th>")
	if !found {
		t.Fatalf("there is no row %s:\n%s", heading, part)
	}
	cells, _, _ = strings.Cut(cells, "</tr>")
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]+>`).ReplaceAllString(cells, " ")), " ")
}

func TestWhatAVMHasWantsAndGetsAreNumbers(t *testing.T) {
	h := newHouse(1, plainly)
	vm := &h.judged.Snapshot.VMs[1] // it wants 2 cores, and its 4 vCPUs wait for a tenth of the time
	vm.MemoryBalloonBytes, vm.SwapBytesPerSecond, vm.CPUPredictedCores = cluster.Known(6<<30), cluster.Known(3<<20), cluster.Known(2.75)
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/vms/id-0-1")
	gets := section(t, page, "gets")
	for heading, want := range map[string]string{"CPU": "4 vCPUs 2.00 cores 1.60 cores waits for 0.40 cores, 10 % of the time", "Memory": "8 GiB 4 GiB 6 GiB its balloon holds 2 GiB"} {
		if got := row(t, gets, heading); got != want {
			t.Errorf("%s: %q, want %q", heading, got, want)
		}
	}
	has(t, gets, "<dt>The guest swaps</dt><dd>3 MiB/s", "coming hour</dt><dd>2.75 cores")
	vm.MemoryBalloonBytes, vm.SwapBytesPerSecond, vm.CPUStealRatio = cluster.Number{}, cluster.Number{}, cluster.Number{}
	_, page = get(t, b, srv.URL+"/vms/id-0-1")
	gets = section(t, page, "gets")
	for heading, want := range map[string]string{"CPU": "4 vCPUs 2.00 cores not known not known", "Memory": "8 GiB 4 GiB not known not known"} {
		if got := row(t, gets, heading); got != want {
			t.Errorf("%s: %q, want %q", heading, got, want)
		}
	}
}

func TestWhatAHostPromisedStandsBesideWhatIsUsed(t *testing.T) {
	h := newHouseOf(1, 9, plainly) // nine VMs of 8 GiB and 4 vCPUs, five of which want 1 core and four 2
	h.judged.Snapshot.Hosts[0].ReservedMemoryBytes = 2 << 30
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/hosts/h0000")
	load := section(t, page, "load")
	for heading, want := range map[string]string{"CPU": "16.00 cores 13.50 cores 0.50 cores 36 vCPUs, 2.25 for each core", "Memory": "64 GiB 38 GiB 2 GiB 72 GiB, 112 % of it"} {
		if got := row(t, load, heading); got != want {
			t.Errorf("%s: %q, want %q", heading, got, want)
		}
	}
}

func TestARejectionIsTakenAndShown(t *testing.T) {
	h := newHouse(1, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	at := srv.URL + "/recommendations/" + h.cases[0].Recommendation.ID
	post(t, b, srv.URL+"/login", "token", "approver-token", "back", "/")
	_, page := get(t, b, at)
	has(t, section(t, page, "decide"), `name="decision" value="reject"`)
	code, page := post(t, b, at, "decision", "reject", "csrf", formToken(t, page), "reason", "not on a Friday")
	if code != http.StatusOK || len(h.said) != 1 || !strings.HasSuffix(h.said[0], `"not on a Friday"`) || !strings.HasPrefix(h.said[0], "anna reject ") {
		t.Fatalf("%d, said %q", code, h.said)
	}
	has(t, page, `<span class="state rejected">rejected</span>`, "A person said no.", "Decided by <strong>anna</strong>", "not on a Friday")
	if strings.Contains(page, `id="decide"`) {
		t.Error("what is rejected can be decided on still")
	}
}

func TestWhoPutItOffAndUntilWhenIsShownWhileThatHolds(t *testing.T) {
	h := newHouse(1, plainly)
	until := time.Now().Add(8 * 24 * time.Hour)
	h.cases[0].Snoozed = &cluster.Approval{Who: "anna", Reason: "after the holidays", Until: until}
	srv, b, _ := open(t, h, api.Viewer)
	at, shown := srv.URL+"/recommendations/"+h.cases[0].Recommendation.ID, until.Local().Format("2 Jan 2006 15:04")
	_, page := get(t, b, at)
	has(t, section(t, page, "decide"), "<strong>Put off</strong> by anna until "+shown+": after the holidays")
	_, page = get(t, b, srv.URL+"/recommendations")
	has(t, section(t, page, "open"), "put off until "+shown)
	h.cases[0].Snoozed.Until = time.Now().Add(-time.Minute)
	for _, address := range []string{at, srv.URL + "/recommendations"} {
		if _, page := get(t, b, address); strings.Contains(strings.ToLower(page), "put off until") || strings.Contains(page, "Put off</strong>") {
			t.Errorf("%s: it is put off no longer", address)
		}
	}
}

func TestHowFarAMigrationIsStandsOnThePageAndMoves(t *testing.T) {
	h := newHouse(1, plainly)
	h.cases[0].State, h.cases[0].Approval = cluster.CaseRunning, &cluster.Approval{Who: "anna"}
	h.cases[0].Progress = cluster.Progress{ElapsedSeconds: 12.5, TotalBytes: 8 << 30, TransferredBytes: 7 << 30, RemainingBytes: 2 << 30}
	srv, b, _ := open(t, h, api.Viewer)
	at := srv.URL + "/recommendations/" + h.cases[0].Recommendation.ID
	state := regexp.MustCompile(`data-state="(\w+)"`)
	_, page := get(t, b, at)
	has(t, section(t, page, "became"), "Under way for 12.5 s", `<progress max="1" value="0.75" aria-label="memory copied">`, "75 % of the memory is copied: 7 GiB were sent, 2 GiB of 8 GiB are left")
	before := state.FindStringSubmatch(page)
	h.mu.Lock()
	h.cases[0].Progress = cluster.Progress{ElapsedSeconds: 14, TotalBytes: 8 << 30, TransferredBytes: 8 << 30, RemainingBytes: 1 << 30}
	h.mu.Unlock()
	_, page = get(t, b, at)
	has(t, section(t, page, "became"), "Under way for 14.0 s", `value="0.875"`)
	if after := state.FindStringSubmatch(page); len(before) != 2 || len(after) != 2 || before[1] == after[1] {
		t.Errorf("pages are told of news by their state, which was %q and is %q", before, after)
	}
}

func TestAPromiseIsSaidToBeKeptOrNot(t *testing.T) {
	h := newHouse(1, plainly)
	effects := func(seen float64) []cluster.Effect {
		return []cluster.Effect{{Host: "h0000", Name: cluster.CPUUtilisation, Before: 0.5, After: seen}}
	}
	h.cases[1].Measured = &cluster.Measurement{At: time.Now(), Effects: effects(0.55)}
	h.cases = append(h.cases, another(h.cases[1], "broken", func(c *cluster.Case) { c.Measured = &cluster.Measurement{At: time.Now(), Effects: effects(0.7)} }),
		another(h.cases[1], "unmeasured", func(c *cluster.Case) { c.Measured = nil }))
	srv, b, _ := open(t, h, api.Viewer)
	const kept, broken = "✓ The promise was kept.", "✗ The promise was not kept:"
	for id, want := range map[string][3]string{
		"done": {kept, "", broken}, "broken": {broken, "cpu utilisation of h0000 was 70 %, and 50 % was promised", kept}, "unmeasured": {"What it brought is measured soon", "", "The promise was"},
	} {
		_, page := get(t, b, srv.URL+"/recommendations/"+id)
		has(t, page, want[0], want[1])
		if strings.Contains(page, want[2]) {
			t.Errorf("%s says as well: %q", id, want[2])
		}
	}
}

// tries are the addresses to which the forms of a page lead that show what would come of an action, with what they send.
func tries(t *testing.T, page string) map[string]string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(section(t, page, "acts")))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for form := range doc.Descendants() {
		if form.Data != "form" || attribute(form, "action") != "/try" {
			continue
		}
		sent, word := url.Values{}, ""
		for n := range form.Descendants() {
			if n.Data == "input" {
				sent.Set(attribute(n, "name"), attribute(n, "value"))
			}
			if n.Data == "button" {
				word = n.FirstChild.Data
			}
		}
		all[word] = "/try?" + sent.Encode()
	}
	return all
}

func TestAHostIsPutIntoStandbyWokenAndTestedAfterADryRun(t *testing.T) {
	h := newHouse(2, plainly)
	h.judged.Snapshot.Hosts[1].State, h.judged.Loads[1].State = cluster.HostStandby, cluster.HostStandby
	srv, b, _ := open(t, h, api.Viewer)
	post(t, b, srv.URL+"/login", "token", "operator-token", "back", "/")
	_, page := get(t, b, srv.URL+"/hosts/h0000")
	up := tries(t, page)
	_, page = get(t, b, srv.URL+"/hosts/h0001")
	asleep := tries(t, page)
	if len(up) != 3 || len(asleep) != 1 {
		t.Errorf("up: %v, asleep: %v", up, asleep)
	}
	want := []string{"otto asks to put h0000 into standby", "otto asks to test whether h0000 can be woken", "otto asks to wake h0001"}
	for i, address := range []string{up["Put into standby…"], up["Test that it can be woken…"], asleep["Wake…"]} {
		code, page := get(t, b, srv.URL+address)
		if code != http.StatusOK || len(h.said) != i {
			t.Fatalf("%s: %d, said %q\n%s", address, code, h.said, page)
		}
		has(t, page, "Nothing has been done", strings.TrimPrefix(want[i], "otto asks to "))
		sent := []string{"csrf", formToken(t, page)}
		doc, err := html.Parse(strings.NewReader(section(t, page, "do")))
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Data == "input" && attribute(n, "name") != "csrf" {
				sent = append(sent, attribute(n, "name"), attribute(n, "value"))
			}
		}
		if code, page := post(t, b, srv.URL+"/act", sent...); code != http.StatusOK || len(h.said) != i+1 || !strings.HasPrefix(h.said[i], want[i]) {
			t.Fatalf("%d, said %q, want %q\n%s", code, h.said, want[i], page)
		}
	}
}

// watched is what has become of hosts.
type watched []cluster.HostWatch

func (w watched) Hosts() []cluster.HostWatch { return w }

func TestTheEvidenceOfAHostsHealthStandsOnItsPage(t *testing.T) {
	srv, b, s := open(t, newHouse(2, plainly), api.Viewer)
	if _, page := get(t, b, srv.URL+"/hosts/h0000"); strings.Contains(page, "Is it alive?") {
		t.Error("nobody looks after it")
	}
	s.SetWatch(watched{{Host: "h0001", Verdict: "alive"}, {Host: "h0000", Verdict: "isolated", Reason: "its neighbours do not hear it", Since: time.Now().Add(-time.Minute), HeardAt: time.Now().Add(-26*time.Hour - 35*time.Minute),
		Exporter: "silent for 90 s", Libvirt: "refused", Heartbeat: "written 2 s ago", Neighbours: "2 of 3 say no", Power: "on, says the BMC"}})
	_, page := get(t, b, srv.URL+"/hosts/h0000")
	has(t, section(t, page, "watch"), "<strong>isolated</strong> since ", "its neighbours do not hear it", "<dt>Heard</dt><dd>26h3", "<dt>Exporter</dt><dd>silent for 90 s", "<dt>libvirt</dt><dd>refused",
		"<dt>Heartbeat</dt><dd>written 2 s ago", "<dt>Neighbours</dt><dd>2 of 3 say no", "<dt>Power</dt><dd>on, says the BMC")
	_, page = get(t, b, srv.URL+"/hosts/h0001")
	has(t, section(t, page, "watch"), "<strong>alive</strong>")
}

// Looks over a week are minutes apart, so what a server of some minutes has seen does not show in them.
func TestWhereLittleIsKnownMovesAreLookedForMoreClosely(t *testing.T) {
	h := newHouse(2, plainly)
	now := time.Now().Truncate(time.Second)
	for name, age := range map[string]time.Duration{"for less than a look takes": 50 * time.Second, "for some of them": 30 * time.Minute} {
		srv, b, s := open(t, h, api.Viewer)
		s.SetPast(travelled{vm: "id-0-0", name: "web0-0", begun: now.Add(-age), seen: now.Add(time.Hour), moves: []cluster.Move{{VM: "id-0-0", Name: "web0-0", From: "h0001", To: "h0000", Last: now.Add(-age + 20*time.Second), At: now.Add(-age + 20*time.Second)}}})
		for _, path := range []string{"/vms/id-0-0", "/hosts/h0000"} {
			_, page := get(t, b, srv.URL+path)
			if part := section(t, page, "travels"); !strings.Contains(part, "<td>h0001</td><td>h0000</td>") {
				t.Errorf("known %s, %s:\n%s", name, path, part)
			}
		}
	}
}
