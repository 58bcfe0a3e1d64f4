package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// past is what a page shows of the numbers of its subject over time.
type past struct {
	Spans []choice
	Plots []plot
	// Note says why there is nothing to be seen, where that is so.
	Note string
	// Since is when what is known begins, where that is later than what was asked for.
	Since  time.Time
	trends cluster.Trends
}

// choice is one of several, as a link.
type choice struct {
	Name, Link string
	Chosen     bool
}

// plot is one drawing of numbers over time. It is complete as it stands; a script draws it anew from Data, with values under the cursor.
type plot struct {
	ID, Title string
	Stacked   bool
	Lines     []line
	// Rows are the words at the vertical axis from the top down, Columns those at the horizontal one.
	Rows    []string
	Columns []time.Time
	Data    string
	Queries []question
	// From and To are when it begins and ends; Linked tells that its queries can be asked here.
	From, To time.Time
	Linked   bool
}

// Plot hands a plot to the part that draws it.
func (p page) Plot(one plot) plot {
	one.Linked = p.Queries
	return one
}

// line is one series of a plot.
type line struct {
	Name, Class string
	// Path is how it runs and Area what it encloses, on a ground of 1000 by 100; Area is only filled where the plot is stacked.
	Path, Area            string
	Low, Mean, High, Last string
}

// question is a query, and where it can be asked.
type question struct{ Query, Link string }

// spans are over how many hours numbers can be shown.
var spans = []int{1, 6, 24, 7 * 24, 31 * 24}

// spanWord says how long so many hours are.
func spanWord(hours int) string {
	if hours > 24 {
		return strconv.Itoa(hours/24) + " days"
	}
	if hours == 1 {
		return "1 hour"
	}
	return strconv.Itoa(hours) + " hours"
}

// usualSpan is over how many hours numbers are shown when nobody says so.
const usualSpan = 24

// pastOf asks for the numbers of a subject over the time that the request names or, without, the last day. Where less is known, that fills the plots.
func pastOf(r *http.Request, p person, subject string, kinds []kind) past {
	hours, chosen := usualSpan, false
	if n, err := strconv.Atoi(r.URL.Query().Get("hours")); err == nil && slices.Contains(spans, n) {
		hours, chosen = n, true
	}
	to := time.Now().Truncate(time.Second)
	length := time.Duration(hours) * time.Hour
	trends, err := p.client.Trends(r.Context(), subject, to.Add(-length), to)
	since := time.Time{}
	if first, known := begins(trends); err == nil && known && !chosen && first.Sub(trends.From) > length/4 {
		first = first.Add(-time.Duration(trends.StepSeconds * float64(time.Second)))
		if trends, err = p.client.Trends(r.Context(), subject, first, to); err == nil {
			since, _ = begins(trends)
			trends.From = since
		}
	}
	v := past{trends: trends, Note: trends.Note, Since: since}
	if err != nil {
		v.Note = "Numbers over time cannot be shown: " + err.Error()
		if refused := (*api.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			v.Note = "Numbers over time are not kept here."
		}
		return v
	}
	for _, n := range spans {
		q := r.URL.Query()
		q.Set("hours", strconv.Itoa(n))
		v.Spans = append(v.Spans, choice{spanWord(n), (&url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: q.Encode()}).String(), n == hours})
	}
	for _, k := range kinds {
		if one, ok := newPlot(k, trends); ok {
			v.Plots = append(v.Plots, one)
		}
	}
	return v
}

// begins is when the first series begins, if there is one.
func begins(trends cluster.Trends) (first time.Time, known bool) {
	for _, s := range trends.Series {
		if len(s.Points) > 0 && (!known || s.Points[0].At.Before(first)) {
			first, known = s.Points[0].At, true
		}
	}
	return first, known
}

// kind is a plot that a page can have, of the series of one name.
type kind struct {
	id, title, series string
	stacked           bool
	// most is where the vertical axis ends at least.
	most float64
}

func clusterPlots() []kind {
	return []kind{{"score", "Score", "score", false, 100}, {"lost", "What the score is lost to", "lost", true, 5}, {"spread", "How unevenly hosts are loaded", "spread", false, 0.1}}
}

func hostPlots() []kind {
	return []kind{{"score", "Score of the VMs on it, on average", "score", false, 100}, {"lost", "What their score is lost to, on average", "lost", true, 5},
		{"use", "In demand of what it has", "utilisation", false, 1}, {"waits", "Tasks wait for it", "waiting", false, 0.1}, {"count", "VMs that run on it", "vms", false, 4}}
}

func vmPlots() []kind {
	return []kind{{"score", "Score", "score", false, 100}, {"lost", "What the score is lost to", "lost", true, 5}, {"cpu", "CPU that it wants", "cpu_demand", false, 0.1},
		{"memory", "Memory in use", "memory_demand", false, 1 << 20}, {"steal", "Time in which it waits for CPU", "steal", false, 0.1}}
}

// grid is a series on the points in time that all series of an answer share; what is not known is NaN.
type grid []float64

func gridOf(trends cluster.Trends, s cluster.Trend) grid {
	step := time.Duration(trends.StepSeconds * float64(time.Second))
	g := make(grid, trends.To.Sub(trends.From)/step+1)
	for i := range g {
		g[i] = math.NaN()
	}
	for _, p := range s.Points {
		if i := int(p.At.Sub(trends.From) / step); i >= 0 && i < len(g) {
			g[i] = p.Value
		}
	}
	return g
}

// newPlot draws the series of one name; there is nothing to draw where there are none.
func newPlot(k kind, trends cluster.Trends) (plot, bool) {
	p := plot{ID: "plot-" + k.id, Title: k.title, Stacked: k.stacked, From: trends.From, To: trends.To}
	var grids []grid
	unit := ""
	for _, s := range trends.Series {
		if s.Name != k.series || len(s.Points) == 0 {
			continue
		}
		unit = s.Unit
		low, mean, high, last := s.Sums()
		if k.stacked && high == 0 {
			continue // a layer of no height is not to be seen
		}
		p.Lines = append(p.Lines, line{Name: cmp.Or(strings.ReplaceAll(s.Part, "_", " "), k.title), Class: lineClass(s, len(p.Lines)),
			Low: amount(low, unit), Mean: amount(mean, unit), High: amount(high, unit), Last: amount(last, unit)})
		grids = append(grids, gridOf(trends, s))
		p.ask(s.Query, trends)
	}
	if len(grids) == 0 {
		return plot{}, false
	}
	tops := grids
	if k.stacked {
		tops = piled(grids)
	}
	top := k.most
	for _, g := range tops {
		for _, x := range g {
			if x > top { // what is not known is above nothing
				top = x
			}
		}
	}
	top = roundUp(top, unit)
	for i := range p.Lines {
		var floor grid
		if k.stacked && i > 0 {
			floor = tops[i-1]
		}
		p.Lines[i].Path, p.Lines[i].Area = tops[i].path(top), tops[i].area(floor, top)
	}
	p.Rows = []string{amount(top, unit), amount(top/2, unit), "0"}
	for i := range 5 {
		p.Columns = append(p.Columns, trends.From.Add(time.Duration(i)*trends.To.Sub(trends.From)/4))
	}
	p.Data = dataOf(p, grids, trends, unit, top)
	return p, true
}

// ask notes the query, once.
func (p *plot) ask(query string, trends cluster.Trends) {
	if slices.ContainsFunc(p.Queries, func(q question) bool { return q.Query == query }) {
		return
	}
	q := url.Values{"query": {query}, "start": {stamp(trends.From)}, "end": {stamp(trends.To)}, "step": {strconv.FormatFloat(trends.StepSeconds, 'g', -1, 64)}}
	p.Queries = append(p.Queries, question{query, "/prometheus/api/v1/query_range?" + q.Encode()})
}

// lineClass is how a series looks: the same number looks the same in every plot, others by their order.
func lineClass(s cluster.Trend, i int) string {
	if class, ok := map[string]string{"cpu_contention": "p2", "cpu_headroom": "p3", "memory_contention": "p4", "memory_headroom": "p1", "rules": "p6", "cpu": "p1", "memory": "p3", "io": "p5"}[s.Part]; ok {
		return class
	}
	return "p" + strconv.Itoa(1+i%6)
}

// piled puts series on top of one another. What is not known adds nothing, unless nothing is known at all.
func piled(grids []grid) []grid {
	tops := make([]grid, len(grids))
	for i, g := range grids {
		tops[i] = slices.Clone(g)
		for at := range g {
			if i > 0 && !math.IsNaN(tops[i-1][at]) {
				tops[i][at] = tops[i-1][at]
				if !math.IsNaN(g[at]) {
					tops[i][at] += g[at]
				}
			}
		}
	}
	return tops
}

// roundUp is the next number above that reads well.
func roundUp(x float64, unit string) float64 {
	base := 10.0
	if unit == "bytes" {
		base = 2
	}
	power := math.Pow(base, math.Floor(math.Log(x)/math.Log(base)+1e-9))
	for _, n := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8} {
		if n*power >= x*(1-1e-9) {
			return n * power
		}
	}
	return 10 * power
}

// place is where a point is drawn, on a ground of 1000 by 100.
func (g grid) place(i int, top float64) (x, y float64) {
	return math.Round(10000*float64(i)/float64(max(1, len(g)-1))) / 10, math.Round(1000*(1-g[i]/top)) / 10
}

// runs calls with the first and the last of points that follow on one another.
func (g grid) runs(each func(first, last int)) {
	first := -1
	for i := 0; i <= len(g); i++ {
		known := i < len(g) && !math.IsNaN(g[i])
		if known && first < 0 {
			first = i
		}
		if !known && first >= 0 {
			each(first, i-1)
			first = -1
		}
	}
}

// path is how the series runs; where nothing is known it is broken.
func (g grid) path(top float64) string {
	var b strings.Builder
	g.runs(func(first, last int) {
		for i := first; i <= last; i++ {
			x, y := g.place(i, top)
			fmt.Fprintf(&b, "%s%g %g", map[bool]string{true: "M", false: "L"}[i == first], x, y)
		}
		if first == last {
			b.WriteString("h0.1") // a point by itself
		}
	})
	return b.String()
}

// area is what lies between the series and its floor, which is the ground where there is none.
func (g grid) area(floor grid, top float64) string {
	var b strings.Builder
	g.runs(func(first, last int) {
		for i := first; i <= last; i++ {
			x, y := g.place(i, top)
			fmt.Fprintf(&b, "%s%g %g", map[bool]string{true: "M", false: "L"}[i == first], x, y)
		}
		for i := last; i >= first; i-- {
			x, _ := g.place(i, top)
			y := 100.0
			if floor != nil && !math.IsNaN(floor[i]) {
				_, y = floor.place(i, top)
			}
			fmt.Fprintf(&b, "L%g %g", x, y)
		}
		b.WriteString("Z")
	})
	return b.String()
}

// dataOf writes a plot's numbers for the script, in four digits.
func dataOf(p plot, grids []grid, trends cluster.Trends, unit string, top float64) string {
	type series struct {
		Name   string     `json:"name"`
		Class  string     `json:"class"`
		Values []*float64 `json:"values"`
	}
	_, offset := trends.To.Local().Zone()
	data := struct {
		From    int64    `json:"from"`
		Step    float64  `json:"step"`
		Zone    int      `json:"zone"`
		Unit    string   `json:"unit"`
		Top     float64  `json:"top"`
		Stacked bool     `json:"stacked"`
		Series  []series `json:"series"`
	}{From: trends.From.Unix(), Step: trends.StepSeconds, Zone: offset, Unit: unit, Top: top, Stacked: p.Stacked}
	for i, g := range grids {
		one := series{Name: p.Lines[i].Name, Class: p.Lines[i].Class, Values: make([]*float64, len(g))}
		for at, x := range g {
			if short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64); err == nil && !math.IsNaN(short) {
				one.Values[at] = &short
			}
		}
		data.Series = append(data.Series, one)
	}
	b, err := json.Marshal(data)
	if err != nil {
		return "" // numbers and words can be written; without, the plot stays as it was drawn here
	}
	return string(b)
}

// amount writes a value with its unit.
func amount(value float64, unit string) string {
	switch unit {
	case "ratio":
		return strconv.FormatFloat(100*value, 'g', 3, 64) + " %"
	case "bytes":
		return size(value)
	case "points", "VMs":
		return strconv.FormatFloat(value, 'g', 3, 64)
	}
	return strconv.FormatFloat(value, 'g', 3, 64) + " " + unit
}

// dial writes a time at an axis: the time of day, or the day where the axis is long.
func dial(at, from, to time.Time) string {
	switch length := to.Sub(from); {
	case length > 36*time.Hour:
		return at.Local().Format("2 Jan")
	case length < 15*time.Minute:
		return at.Local().Format("15:04:05")
	}
	return at.Local().Format("15:04")
}

// Before says in words what the score was an hour ago or, where that is not known, when it was seen first.
func (v past) Before(now float64) string {
	i := slices.IndexFunc(v.trends.Series, func(s cluster.Trend) bool { return s.Name == "score" })
	if i < 0 || len(v.trends.Series[i].Points) == 0 {
		return ""
	}
	wanted, best := v.trends.To.Add(-time.Hour), v.trends.Series[i].Points[0]
	for _, p := range v.trends.Series[i].Points {
		if p.At.Sub(wanted).Abs() < best.At.Sub(wanted).Abs() {
			best = p
		}
	}
	then := howLongAgo(v.trends.To.Sub(best.At))
	if then == "" {
		return ""
	}
	if was, is := math.Round(best.Value), math.Round(now); was != is {
		return fmt.Sprintf("was %.0f %s, %s", was, then, map[bool]string{true: "so it got better", false: "so it got worse"}[is > was])
	}
	return "as it was " + then
}

// howLongAgo says in words how long ago something was, "" for less than ten minutes: that is noise, or a server that has just begun to look.
func howLongAgo(age time.Duration) string {
	minutes := int(age.Round(time.Minute).Minutes())
	switch {
	case minutes < 10:
		return ""
	case minutes < 55:
		return fmt.Sprintf("%d minutes ago", minutes)
	case minutes < 90:
		return "an hour ago"
	}
	return fmt.Sprintf("%.0f hours ago", age.Hours())
}
