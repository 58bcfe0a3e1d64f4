package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter"
	"github.com/prometheus/common/expfmt"
)

// Slots of the sums that numbers on a page follow: the time that the host's VMs ran, and waited, all
// together. After them come two for each VM.
const (
	slotRan = iota
	slotWaited
	slotsOfHost
)

// page is what one exporter answers: a text that the real exporter made once, with holes for the
// numbers that move. To answer costs little more than to copy the text.
type page struct {
	rack int
	// texts and holes take turns; the last text has no hole behind it.
	texts [][]byte
	holes []hole

	mu   sync.Mutex
	last time.Time
	sums []float64
	vms  []load
}

// hole is a number that moves.
type hole struct {
	base, factor float64
	slot         int
	// sways tells a gauge, which goes to and fro about its base.
	sways bool
	// digits after the point; bytes and requests have none.
	digits int
}

// newPage has the real exporter make the page of a host.
func newPage(host int, o options) (*page, error) {
	h, vms := reading(host, o)
	e := exporter.New(exporter.Options{Readers: []exporter.Reader{steady{h}}, Timeout: time.Second, Log: slog.New(slog.DiscardHandler)})
	families, done, err := e.Within(context.Background()).Gather()
	if err != nil {
		return nil, fmt.Errorf("make the page of host %d: %w", host, err)
	}
	defer done()
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			return nil, fmt.Errorf("write the page of host %d: %w", host, err)
		}
	}
	p := &page{rack: host / hostsOfRack, vms: vms, sums: make([]float64, slotsOfHost+2*len(vms))}
	slots := map[string]int{}
	for i, v := range h.VMs {
		slots[v.UUID] = slotsOfHost + 2*i
	}
	return p, p.cut(text.Bytes(), slots)
}

// cut finds the numbers that move. What a counter of a VM counts grows with the time that the VM ran, what one of
// a host counts with that of all of its VMs.
func (p *page) cut(text []byte, slots map[string]int) error {
	begin, at := 0, 0
	counter := false
	for line := range bytes.Lines(text) {
		at += len(line)
		if bytes.HasPrefix(line, []byte("#")) {
			if bytes.HasPrefix(line, []byte("# TYPE ")) {
				counter = bytes.HasSuffix(line, []byte(" counter\n"))
			}
			continue
		}
		space := bytes.LastIndexByte(line, ' ')
		name := string(line[:bytes.IndexAny(line, "{ ")])
		value, err := strconv.ParseFloat(strings.TrimSpace(string(line[space+1:])), 64)
		if err != nil {
			return fmt.Errorf("the exporter's page has %q: %w", line, err)
		}
		h, moves := holeFor(name, value, counter)
		if !moves {
			continue
		}
		if name == "evenkeel_host_cpu_seconds_total" {
			h.factor = ofHost(line)
		}
		h.slot = slotRan
		if _, rest, ok := bytes.Cut(line, []byte(`vm="`)); ok {
			id, _, _ := bytes.Cut(rest, []byte(`"`))
			h.slot = slots[string(id)]
		}
		if strings.Contains(name, "steal") || strings.Contains(name, "pressure") {
			h.slot++
		}
		number := at - len(line) + space + 1
		p.texts, p.holes = append(p.texts, text[begin:number]), append(p.holes, h)
		begin = at - 1 // the end of the line stays
	}
	p.texts = append(p.texts, text[begin:])
	return nil
}

// ofHost is how much of the host's CPU time a mode gets for each second that a VM runs: guests have what they run, the host itself a little more.
func ofHost(line []byte) float64 {
	for mode, share := range map[string]float64{"guest": 1, "idle": .7, "system": .03, "user": .02, "softirq": .01, "iowait": .01} {
		if bytes.Contains(line, []byte(`mode="`+mode+`"`)) {
			return share
		}
	}
	return 0
}

// still are counters that seldom count: what fails, and what somebody does.
var still = []string{"_errors_", "_drops_", "_events_", "_failed_", "_exceptions_", "_opened_", "_hanging_", "_slow_", "_swap_", "_conflicts_"}

// swaying are gauges that are never the same twice.
var swaying = []string{"evenkeel_vm_memory_unused_bytes", "evenkeel_vm_memory_usable_bytes", "evenkeel_vm_memory_rss_bytes", "evenkeel_vm_memory_caches_bytes", "evenkeel_vm_dirty_bytes_per_second",
	"evenkeel_host_memory_free_bytes", "evenkeel_host_memory_available_bytes", "evenkeel_host_load1", "evenkeel_host_load5", "evenkeel_host_load15", "evenkeel_scrape_collector_duration_seconds", "evenkeel_exporter_read_seconds"}

// holeFor tells whether the number moves, and how.
func holeFor(name string, value float64, counter bool) (hole, bool) {
	h := hole{base: value}
	if counter {
		if slices.ContainsFunc(still, func(part string) bool { return strings.Contains(name, part) }) {
			return h, false
		}
		if h.factor = 1; strings.Contains(name, "_seconds_") {
			h.digits = 6
		} else if h.factor = 40; strings.Contains(name, "_bytes_") {
			h.factor = 1 << 20
		}
		switch {
		case strings.Contains(name, "_vcpu_seconds_"), strings.Contains(name, "_steal_"):
			h.factor = 1. / vcpus
		case strings.Contains(name, "_block_"), strings.Contains(name, "_flush_"), strings.Contains(name, "_wait_"):
			h.factor /= 20
		}
		return h, true
	}
	if !slices.Contains(swaying, name) {
		return h, false
	}
	if h.sways = true; value < 1<<20 {
		h.digits = 6
	}
	return h, true
}

// text is the page at the time, in the buffer's room.
func (p *page) text(at time.Time, buffer []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(at)
	seconds := float64(at.UnixMilli()) / 1000
	b := buffer[:0]
	for i, h := range p.holes {
		b = append(b, p.texts[i]...)
		value := h.base
		if h.sways {
			value *= 1 + .05*math.Sin(seconds/200+float64(i))
		} else {
			value += h.factor * p.sums[h.slot]
		}
		b = strconv.AppendFloat(b, value, 'f', h.digits, 64)
	}
	return append(b, p.texts[len(p.holes)]...)
}

// advance lets the VMs run until the time. Where they want more than the host has, all wait for their share.
func (p *page) advance(at time.Time) {
	passed := at.Sub(p.last).Seconds()
	first := p.last.IsZero()
	if !first && passed <= 0 {
		return
	}
	if p.last = at; first {
		return
	}
	wanted := 0.
	demands := make([]float64, len(p.vms))
	for i, v := range p.vms {
		demands[i] = v.cores(at, p.rack)
		wanted += demands[i]
	}
	share := min(1, (cores-1)/max(1e-9, wanted))
	for i, d := range demands {
		ran, waited := d*share*passed, d*(1-share)*passed
		p.sums[slotsOfHost+2*i] += ran
		p.sums[slotsOfHost+2*i+1] += waited
		p.sums[slotRan] += ran
	}
	p.sums[slotWaited] += (1 - share) * passed
}
