package exporter

import (
	"strings"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/internal/cluster"
	dto "github.com/prometheus/client_model/go"
)

// page collects the series of one scrape. It is used again for later scrapes, because a page of many
// VMs is many thousand small values: made anew for each scrape they would cost more than reading the
// hypervisor does. Labels that several series have are one value, which keeps the page small.
type page struct {
	families []*dto.MetricFamily
	// names are the labels' names, each once; a metric has their places.
	names    []string
	rows     arena[row]
	gauges   arena[dto.Gauge]
	counters arena[dto.Counter]
	labels   arena[label]
	known    map[labelKey]*dto.LabelPair
	last     [2]labelKey
	lastPair [2]*dto.LabelPair
}

// labelsInRow have room within a row; the few metrics with more get theirs made for them.
const labelsInRow = 3

// row is one series.
type row struct {
	metric dto.Metric
	value  float64
	list   [labelsInRow]*dto.LabelPair
}

// label is one label with its value.
type label struct {
	pair dto.LabelPair
	text string
}

type labelKey struct {
	name int
	text string
}

// arena hands out values that stay where they are, and all of them again after a reset.
type arena[T any] struct {
	chunks []*[chunk]T
	used   int
}

const chunk = 256

func (a *arena[T]) next() *T {
	at := a.used / chunk
	if at == len(a.chunks) {
		a.chunks = append(a.chunks, new([chunk]T))
	}
	a.used++
	return &a.chunks[at][(a.used-1)%chunk]
}

// newPage makes an empty page. The metrics must know their places.
func newPage(metrics []*metric, names []string) *page {
	p := &page{names: names, known: map[labelKey]*dto.LabelPair{}}
	for _, m := range metrics {
		p.families = append(p.families, &dto.MetricFamily{Name: &m.name, Help: &m.help, Type: &m.kind})
	}
	return p
}

// clear empties the page for the next scrape.
func (p *page) clear() {
	p.rows.used, p.gauges.used, p.counters.used, p.labels.used = 0, 0, 0, 0
	clear(p.known)
	p.last, p.lastPair = [2]labelKey{}, [2]*dto.LabelPair{}
	for _, f := range p.families {
		f.Metric = f.Metric[:0]
	}
}

// filled returns the families that have a series.
func (p *page) filled() []*dto.MetricFamily {
	families := make([]*dto.MetricFamily, 0, len(p.families))
	for _, f := range p.families {
		if len(f.Metric) > 0 {
			families = append(families, f)
		}
	}
	return families
}

// put adds a series with the labels' values in the order of the metric's definition.
func (p *page) put(m *metric, v float64, values ...string) {
	r := p.rows.next()
	r.value, r.metric.Gauge, r.metric.Counter = v, nil, nil
	if m.kind == dto.MetricType_COUNTER {
		r.metric.Counter = p.counters.next()
		r.metric.Counter.Value = &r.value
	} else {
		r.metric.Gauge = p.gauges.next()
		r.metric.Gauge.Value = &r.value
	}
	list := r.list[:0]
	if len(m.labels) > labelsInRow {
		list = make([]*dto.LabelPair, 0, len(m.labels))
	}
	for i, from := range m.order {
		list = append(list, p.label(i&1, labelKey{m.names[i], values[from]}))
	}
	r.metric.Label = list
	f := p.families[m.place]
	f.Metric = append(f.Metric, &r.metric)
}

// label returns the one value of a label on this page. The one that was asked for last at this place is
// most often asked for again.
func (p *page) label(place int, k labelKey) *dto.LabelPair {
	if p.lastPair[place] != nil && p.last[place] == k {
		return p.lastPair[place]
	}
	pair := p.known[k]
	if pair == nil {
		l := p.labels.next()
		l.text = readable(k.text)
		l.pair.Name, l.pair.Value = &p.names[k.name], &l.text
		pair = &l.pair
		p.known[k] = pair
	}
	p.last[place], p.lastPair[place] = k, pair
	return pair
}

// readable makes a name that somebody chose fit for a label.
func readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// putIf adds nothing for what is not known.
func (p *page) putIf(m *metric, n cluster.Number, values ...string) {
	if n.Known {
		p.put(m, n.Value, values...)
	}
}

// putBool adds 1 or 0, and nothing for what is not known.
func (p *page) putBool(m *metric, b *bool, values ...string) {
	if b != nil {
		p.put(m, boolean(*b), values...)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
