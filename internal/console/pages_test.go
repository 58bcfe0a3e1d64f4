package console_test

import (
	"fmt"
	"net/url"
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
