package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"golang.org/x/net/html"
)

// pasts are numbers over time of the cluster, the first host and the first VM, whose words are made by name.
func pasts(name func(string) string, s cluster.Snapshot) map[string]cluster.Trends {
	past := map[string]cluster.Trends{}
	for subject, series := range map[string][]string{"cluster": {"score", "lost", "spread"}, cluster.HostSubject(s.Hosts[0].ID): {"score", "lost", "utilisation", "waiting", "vms"}, cluster.VMSubject(s.VMs[0].ID): {"score", "lost", "cpu_demand", "memory_demand", "steal"}} {
		var trends cluster.Trends
		for _, one := range series {
			trends.Series = append(trends.Series, cluster.Trend{Name: one, Part: name("part-a"), Unit: "points", Query: name(`max(` + one + `{a="b"})`)},
				cluster.Trend{Name: one, Part: name("part-b"), Unit: name("unit"), Query: name(`max(` + one + `{a="b"})`)})
		}
		past[subject] = trends
	}
	return past
}

// Trends rise from 20 at the time asked for to 80 at its end, with nothing known in the middle; a second series is 10 throughout.
func (h *house) Trends(_ context.Context, subject string, from, to time.Time) (cluster.Trends, error) {
	if h.past == nil {
		return cluster.Trends{}, errors.New("Prometheus is away")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	trends := cluster.Trends{Subject: subject, From: from, To: to, StepSeconds: to.Sub(from).Seconds() / 100, Series: []cluster.Trend{}}
	for i, s := range h.past[subject].Series {
		for at := range 101 {
			if at > 40 && at < 60 {
				continue
			}
			p := cluster.TrendPoint{At: from.Add(time.Duration(at) * to.Sub(from) / 100), Value: 20 + 0.6*float64(at)}
			if i%2 == 1 {
				p.Value = 10
			}
			s.Points = append(s.Points, p)
		}
		trends.Series = append(trends.Series, s)
	}
	if len(trends.Series) == 0 {
		trends.Note = "nothing is known of it"
	}
	return trends, nil
}

// drawn is a plot as it stands in a page.
type drawn struct {
	id, data, text string
	paths          []string
	links          []string
}

func plotsOf(t *testing.T, page string) []drawn {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var all []drawn
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "figure" {
			continue
		}
		d := drawn{id: attribute(n, "id"), data: attribute(n, "data-plot")}
		for c := range n.Descendants() {
			switch {
			case c.Type == html.TextNode:
				d.text += c.Data + " "
			case c.Data == "path" && attribute(c.Parent, "viewbox")+attribute(c.Parent, "viewBox") == "0 0 1000 100" && !strings.Contains(attribute(c, "class"), "rule"):
				d.paths = append(d.paths, attribute(c, "class")+": "+attribute(c, "d"))
			case c.Data == "a":
				d.links = append(d.links, attribute(c, "href"))
			}
		}
		all = append(all, d)
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestNumbersOverTimeAreDrawnWithoutScript(t *testing.T) {
	srv, b, _ := open(t, newHouse(1, plainly), api.Viewer)
	for path, ids := range map[string]string{"/": "plot-score plot-lost plot-spread", "/hosts/h0000": "plot-score plot-lost plot-use plot-waits plot-count", "/vms/id-0-0": "plot-score plot-lost plot-cpu plot-memory plot-steal"} {
		_, page := get(t, b, srv.URL+path)
		var got []string
		for _, d := range plotsOf(t, page) {
			got = append(got, d.id)
			if len(d.paths) < 2 || strings.Contains(strings.Join(d.paths, ""), "NaN") || strings.Count(d.paths[0], "M") != 2 {
				t.Errorf("%s, %s: two lines, each with a gap: %q", path, d.id, d.paths)
			}
			for _, word := range []string{"part-a", "part-b", "Lowest", "20", "80", "max("} {
				if !strings.Contains(d.text, word) {
					t.Errorf("%s, %s: %q is missing in %s", path, d.id, word, d.text)
				}
			}
			if len(d.links) != 1 || !strings.HasPrefix(d.links[0], "/prometheus/api/v1/query_range?") || !strings.Contains(d.links[0], "step=864") {
				t.Errorf("%s, %s: %q", path, d.id, d.links)
			}
		}
		if strings.Join(got, " ") != ids {
			t.Errorf("%s has the plots %q", path, got)
		}
	}
}

func TestThePlotsDataAreTheNumbers(t *testing.T) {
	srv, b, _ := open(t, newHouse(1, plainly), api.Viewer)
	_, page := get(t, b, srv.URL+"/?hours=1")
	for _, d := range plotsOf(t, page) {
		var data struct {
			Step    float64
			Stacked bool
			Top     float64
			Series  []struct {
				Name   string
				Values []*float64
			}
		}
		if err := json.Unmarshal([]byte(d.data), &data); err != nil {
			t.Fatal(err)
		}
		a, b := data.Series[0].Values, data.Series[1].Values
		if data.Step != 36 || len(a) != 101 || *a[0] != 20 || a[50] != nil || *a[100] != 80 || *b[100] != 10 || data.Series[1].Name != "part-b" {
			t.Errorf("%s: %s", d.id, d.data)
		}
		if stacked := d.id == "plot-lost"; data.Stacked != stacked || data.Top < map[bool]float64{false: 80, true: 90}[stacked] {
			t.Errorf("%s: stacked %v, up to %v", d.id, data.Stacked, data.Top)
		}
	}
	has(t, page, `href="/?hours=24"`, `href="/?hours=1" aria-current="true"`, `name="hours" value="1"`)
}

func TestTheScoreOfAnHourAgoIsSaid(t *testing.T) {
	h := newHouse(1, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	if _, page := get(t, b, srv.URL+"/?hours=6"); !strings.Contains(page, "was 70 an hour ago, so it got better") {
		t.Errorf("the score is %v:\n%.3000s", h.judged.Lost.Score(), page)
	}
}

func TestWithoutNumbersThePageSaysWhy(t *testing.T) {
	h := newHouse(2, plainly)
	srv, b, s := open(t, h, api.Viewer)
	if _, page := get(t, b, srv.URL+"/hosts/h0001"); !strings.Contains(page, "nothing is known of it") || strings.Contains(page, "<figure") {
		t.Errorf("a host without a past:\n%s", page)
	}
	h.past = nil
	if code, page := get(t, b, srv.URL+"/"); code != http.StatusOK || !strings.Contains(page, "cannot be shown: Prometheus is away") {
		t.Errorf("%d\n%s", code, page)
	}
	s.SetTrender(nil)
	if code, page := get(t, b, srv.URL+"/"); code != http.StatusOK || !strings.Contains(page, "are not kept here") {
		t.Errorf("%d\n%s", code, page)
	}
}

func TestMachinesStandTogether(t *testing.T) {
	h := newHouse(4, plainly)
	for i, domain := range []string{"rowB", "rowA", "rowB", ""} {
		h.judged.Snapshot.Hosts[i].FailureDomain, h.judged.Snapshot.Hosts[i].Tags = domain, []string{"ssd", domain}
	}
	h.judged.Loads[2].CPUUtilisation = 0.97
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/?group=failure+domain")
	rows := strings.Split(page, `<th scope="row"><a href="#group-`)[1:]
	if len(rows) != 3 {
		t.Fatalf("%d groups:\n%s", len(rows), page)
	}
	for i, words := range [][]string{{">rowA<", "1 of 1"}, {">rowB<", "2 of 2", "97 %", `href="/hosts/h0002"`, "97 % of its CPU"}, {">no failure domain<", "1 of 2", `href="/hosts/backup1"`, "down"}} {
		has(t, rows[i][:strings.Index(rows[i], "</tr>")], words...)
	}
	if n := strings.Count(page, `<li class="tile`); n != 5 || !strings.Contains(page, "web0-0") {
		t.Errorf("%d tiles", n)
	}
	if _, page := get(t, b, srv.URL+"/?group=tag&q=h000"); strings.Count(page, ">ssd<") != 1 || !strings.Contains(page, "4 of 4") || !strings.Contains(page, "<option selected>tag") {
		t.Errorf("by tag:\n%s", page)
	}
	if _, page := get(t, b, srv.URL+"/?group=failure+domain&in=rowB"); strings.Count(page, `<li class="tile`) != 2 || !strings.Contains(page, "Only what stands under rowB") {
		t.Errorf("one group by itself:\n%s", page)
	}
	if _, page := get(t, b, srv.URL+"/?group=colour"); strings.Contains(page, "group-0") || !strings.Contains(page, `<li class="tile`) {
		t.Error("what is no grouping groups")
	}
}

func TestTheDayIsDrawnWithALinkForEachMark(t *testing.T) {
	h := newHouse(1, plainly)
	fenced := h.cases[1]
	fenced.Recommendation.ID, fenced.State, fenced.Recommendation.Action = "fenced", cluster.CaseFailed, cluster.Action{Kind: cluster.Fence, From: "h0000"}
	fenced.Updated = time.Now().Add(-12 * time.Hour)
	old := fenced
	old.Recommendation.ID, old.Updated = "old", time.Now().Add(-25*time.Hour)
	h.cases = append(h.cases, fenced, old)
	for i := range 30 {
		one := fenced
		one.Recommendation.ID = fmt.Sprintf("more-%d", i)
		h.cases = append(h.cases, one)
	}
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/")
	drawing := page[strings.Index(page, `<svg class="day"`):]
	drawing = drawing[:strings.Index(drawing, "</svg>")]
	has(t, drawing, `href="/recommendations/done"`, `href="/recommendations/fenced"`, ">Moves<", ">Failures<", `class="undone"`, `class="done"`, "32 actions, 31 of them not done", "Failures: 31", ":00</text>")
	if strings.Contains(drawing, "recommendations/old") || !strings.Contains(drawing, "M520 ") && !strings.Contains(drawing, "M519.9 ") {
		t.Errorf("twelve hours ago is in the middle, and the day before is not there:\n%s", drawing)
	}
	if n := strings.Count(page, `<td><a href="/recommendations/`); n != 32 {
		t.Errorf("the list has %d of 32", n)
	}
}
