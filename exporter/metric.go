package exporter

import (
	"slices"

	"github.com/evenkeel/evenkeel/exporter/stat"
	dto "github.com/prometheus/client_model/go"
)

// metric is one name on the page. It carries its own documentation, from which docs/metrics.md is
// made.
type metric struct {
	name, help string
	kind       dto.MetricType
	unit       string
	// source is the call or file that the number comes from.
	source string
	// on are the hypervisors that give it.
	on     givers
	labels []string

	// order sorts the label values that a family passes into the order of the labels' names.
	order []int
	// place is the metric's among all of its exporter, names are those of its labels' names.
	place int
	names []int
}

// givers are hypervisors that give a number.
type givers string

const (
	everywhere givers = "KVM, Xen"
	kvm        givers = "KVM"
	xen        givers = "Xen"
	// kernel is what the Linux kernel of the exporter's own machine gives. On Xen that kernel is
	// Domain-0's: what it says of processors and memory is not the host's and is left out.
	kernel   givers = "KVM"
	anyLinux givers = "KVM, Xen; the exporter's own machine"
)

func gauge(name, unit, help, source string, on givers, labels ...string) *metric {
	return newMetric(dto.MetricType_GAUGE, name, unit, help, source, on, labels)
}

func counter(name, unit, help, source string, on givers, labels ...string) *metric {
	return newMetric(dto.MetricType_COUNTER, name, unit, help, source, on, labels)
}

// info is a metric whose labels say everything: its value is always 1.
func info(name, help, source string, on givers, labels ...string) *metric {
	return newMetric(dto.MetricType_GAUGE, name, "", help, source, on, labels)
}

func newMetric(kind dto.MetricType, name, unit, help, source string, on givers, labels []string) *metric {
	m := &metric{name: name, help: help, kind: kind, unit: unit, source: source, on: on, labels: slices.Sorted(slices.Values(labels))}
	for _, l := range m.labels {
		m.order = append(m.order, slices.Index(labels, l))
	}
	return m
}

// family is a set of metrics that belong together. It stands in a file of its own, whose name is the
// name of the collector that switches it on and off.
type family struct {
	name string
	// reads is the reading that the numbers come from, where it is not the collector's own.
	reads string
	// machine tells that the numbers come from the kernel of the exporter's own machine.
	machine bool
	metrics []*metric
	write   func(h *stat.Host, out *page)
}
