package exporter

import (
	"strings"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/internal/cluster"
	dto "github.com/prometheus/client_model/go"
)

// page collects the series of one scrape. It is used again for later scrapes, because a page of many
// VMs is many thousand small values: made anew for each scrape they would cost more than reading the
// hypervisor does.
type page struct {
	families []*dto.MetricFamily
	rows     []*[rowsInChunk]row
	used     int
}

const (
	rowsInChunk = 256
	// labelsInRow have room within a row; the few metrics with more get theirs made for them.
	labelsInRow = 3
)

// row is one series with everything that it points to.
type row struct {
	metric  dto.Metric
	gauge   dto.Gauge
	counter dto.Counter
	value   float64
	pairs   [labelsInRow]dto.LabelPair
	list    [labelsInRow]*dto.LabelPair
	texts   [labelsInRow]string
}

func newPage(metrics []*metric) *page {
	p := &page{}
	for _, m := range metrics {
		p.families = append(p.families, &dto.MetricFamily{Name: &m.name, Help: &m.help, Type: &m.kind})
	}
	return p
}

// clear empties the page for the next scrape.
func (p *page) clear() {
	p.used = 0
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

func (p *page) row() *row {
	chunk, at := p.used/rowsInChunk, p.used%rowsInChunk
	if chunk == len(p.rows) {
		p.rows = append(p.rows, new([rowsInChunk]row))
	}
	p.used++
	return &p.rows[chunk][at]
}

// put adds a series with the labels' values in the order of the metric's definition.
func (p *page) put(m *metric, v float64, values ...string) {
	r := p.row()
	r.value = v
	if m.kind == dto.MetricType_COUNTER {
		r.counter.Value, r.metric.Counter, r.metric.Gauge = &r.value, &r.counter, nil
	} else {
		r.gauge.Value, r.metric.Gauge, r.metric.Counter = &r.value, &r.gauge, nil
	}
	n := len(m.labels)
	list, pairs, texts := r.list[:0], r.pairs[:], r.texts[:]
	if n > labelsInRow {
		list, pairs, texts = make([]*dto.LabelPair, 0, n), make([]dto.LabelPair, n), make([]string, n)
	}
	for i, from := range m.order {
		texts[i] = readable(values[from])
		pairs[i].Name, pairs[i].Value = &m.labels[i], &texts[i]
		list = append(list, &pairs[i])
	}
	r.metric.Label = list
	f := p.families[m.place]
	f.Metric = append(f.Metric, &r.metric)
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
