package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

// own is what the exporter says of its own work.
type own struct {
	up, took, readOnly, opened, hanging, slow, age *metric
	seconds, success                               *metric
}

func newOwn() own {
	return own{
		up:       gauge("evenkeel_exporter_libvirt_up", "", "Whether the hypervisor at the libvirt URI could be read (1) or not (0).", "the exporter", everywhere, "uri"),
		took:     gauge("evenkeel_exporter_read_seconds", "seconds", "How long reading the hypervisor took.", "the exporter", everywhere, "uri"),
		readOnly: gauge("evenkeel_exporter_libvirt_read_only", "", "Whether the connection allows reading alone (1): then guest agents are not asked, dirty rates not sampled and balloon statistics not switched on.", "the exporter", everywhere, "uri"),
		opened:   counter("evenkeel_exporter_libvirt_connects_total", "", "How often a connection to the hypervisor was opened, the one for numbers and the one for the background together.", "the exporter", everywhere, "uri"),
		hanging:  gauge("evenkeel_exporter_libvirt_calls_hanging", "", "Calls into libvirt that outlived their deadline and have not come back.", "the exporter", everywhere, "uri"),
		slow:     counter("evenkeel_exporter_libvirt_held_up_total", "", "Readings that a VM held up, so that the others were read without it.", "the exporter", everywhere, "uri"),
		age:      gauge("evenkeel_exporter_inventory_age_seconds", "seconds", "Age of the oldest definition, pool or network in use.", "the exporter", everywhere, "uri"),
		seconds:  gauge("evenkeel_scrape_collector_duration_seconds", "seconds", "How long the collector's last reading and the writing of its metrics took. Collectors that share a call all show its time; readings in the background are no part of a scrape.", "the exporter", everywhere, "collector", "uri"),
		success:  gauge("evenkeel_scrape_collector_success", "", "Whether the collector could look (1) or not (0). It is 1 as well when there was nothing to be seen.", "the exporter", everywhere, "collector", "uri"),
	}
}

func (o own) metrics() []*metric {
	return []*metric{o.up, o.took, o.readOnly, o.opened, o.hanging, o.slow, o.age, o.seconds, o.success}
}

// hypervisors tells how reading each hypervisor went.
func (o own) hypervisors(readings []reading, out *page) {
	for _, r := range readings {
		out.put(o.up, boolean(r.err == nil), r.uri)
		out.put(o.took, r.took.Seconds(), r.uri)
		o.connection(r, out)
	}
}

// connection tells of the connection also when the reading failed: that is when it is wanted. A reader
// that then says nothing of it leaves it empty, and counters must not seem to start anew.
func (o own) connection(r reading, out *page) {
	c := r.host.Connection
	if r.err != nil && c == (stat.Connection{}) {
		return
	}
	out.put(o.readOnly, boolean(c.ReadOnly), r.uri)
	out.put(o.opened, float64(c.Opened), r.uri)
	out.put(o.hanging, float64(c.Hanging), r.uri)
	out.put(o.slow, float64(c.Slow), r.uri)
	if r.err == nil {
		out.put(o.age, c.InventoryAge.Seconds(), r.uri)
	}
}
