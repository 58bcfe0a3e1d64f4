package promql

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

const (
	// mostLooks is at how many instants VMs are looked for between two times, and fewestLooks how many there are at least.
	mostLooks, fewestLooks = 1500, 60
	// mostSightings bounds what one answer holds: looks times VMs.
	mostSightings = 200_000
)

// runningVMs counts the VMs that are known, and placesOf says where one runs; %s selects series and, of the states, those of some VMs.
const (
	runningVMs = `count(group by (vm) (evenkeel_vm_info))`
	placesOf   = `group by (vm, name, host) ((%s) and on (vm, instance) (evenkeel_vm_state{state="running"%s} == 1))`
)

// Moves says which VMs changed their host between two times; key is the UUID or name of one, or empty for all. An error
// means that Prometheus could not answer.
func (s *Source) Moves(ctx context.Context, from, to time.Time, key string) (cluster.Movements, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	step, err := s.step(ctx, from, to, key)
	if err != nil {
		return cluster.Movements{}, err
	}
	over := v1.Range{Start: from, End: to, Step: step}
	which, some := "evenkeel_vm_info", ""
	if key != "" {
		quoted := strconv.Quote(key)
		which = "evenkeel_vm_info{vm=" + quoted + "} or evenkeel_vm_info{name=" + quoted + "}"
		vms, _, err := s.called(ctx, which, over)
		if err != nil {
			return cluster.Movements{}, err
		}
		some = "," + vms // the states of all VMs at so many instants are too much to go through for one
	}
	query := fmt.Sprintf(placesOf, which, some)
	value, _, _, err := s.api.QueryRange(ctx, query, over)
	if err != nil {
		return cluster.Movements{}, fmt.Errorf("query %s: %w", query, err)
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return cluster.Movements{}, fmt.Errorf("query %s: the answer is a %T, not a matrix", query, value)
	}
	looks := int(to.Sub(from)/step) + 1
	p := paths{from: from, step: step, looks: looks, vms: map[string]*trace{}, any: make([]bool, looks)}
	for _, series := range matrix {
		host := string(series.Metric["host"])
		if len(s.opts.Hosts) == 0 || slices.Contains(s.opts.Hosts, host) {
			p.add(string(series.Metric["vm"]), string(series.Metric["name"]), host, series.Values)
		}
	}
	return p.movements(to), nil
}

// step is the time between two looks: that between two scrapes, or longer where the answer would be too large.
func (s *Source) step(ctx context.Context, from, to time.Time, key string) (time.Duration, error) {
	looks := mostLooks
	if key == "" {
		var vms model.Vector
		f := &fetch{ctx: ctx, api: s.api, at: to}
		f.vector(runningVMs, &vms)
		if err := f.wait(); err != nil {
			return 0, err
		}
		if len(vms) > 0 && vms[0].Value > 0 {
			looks = min(looks, max(fewestLooks, mostSightings/int(vms[0].Value)))
		}
	}
	step := max(s.opts.ScrapeInterval, to.Sub(from)/time.Duration(looks), time.Second)
	return step.Truncate(time.Second), nil
}

// paths are the places of all VMs at each look.
type paths struct {
	from  time.Time
	step  time.Duration
	looks int
	vms   map[string]*trace
	// any tells for each look whether anything was seen.
	any []bool
}

// trace is where one VM was seen: for each host, at which looks.
type trace struct {
	name string
	on   map[string][]bool
}

func (p *paths) add(vm, name, host string, seen []model.SamplePair) {
	t := p.vms[vm]
	if t == nil {
		t = &trace{on: map[string][]bool{}}
		p.vms[vm] = t
	}
	t.name = max(t.name, name) // a VM that was renamed has one of its names, always the same
	if t.on[host] == nil {
		t.on[host] = make([]bool, p.looks)
	}
	for _, sample := range seen {
		if i := int(sample.Timestamp.Time().Sub(p.from) / p.step); i >= 0 && i < p.looks {
			t.on[host][i], p.any[i] = true, true
		}
	}
}

func (p *paths) at(look int) time.Time { return p.from.Add(time.Duration(look) * p.step).UTC() }

func (p *paths) movements(to time.Time) cluster.Movements {
	m := cluster.Movements{From: p.from.UTC(), To: to.UTC(), StepSeconds: p.step.Seconds(), Moves: []cluster.Move{}, Arrived: []cluster.Move{}, Left: []cluster.Move{}}
	first := slices.Index(p.any, true)
	if first < 0 {
		return m
	}
	last := p.looks - 1
	for !p.any[last] {
		last--
	}
	m.SeenFrom, m.SeenTo = p.at(first), p.at(last)
	for vm, t := range p.vms {
		moves := t.walk(p, vm)
		begin, end := t.place(first, ""), t.place(last, "")
		switch {
		case begin == "" && end != "":
			m.Arrived = append(m.Arrived, cluster.Move{VM: vm, Name: t.name, To: end, At: p.at(t.firstOn(end))})
		case begin != "" && end == "":
			on, look := t.lastPlace()
			m.Left = append(m.Left, cluster.Move{VM: vm, Name: t.name, From: on, Last: p.at(look)})
		}
		m.Moves = append(m.Moves, moves...)
	}
	slices.SortFunc(m.Moves, func(x, y cluster.Move) int {
		return cmp.Or(y.At.Compare(x.At), cmp.Compare(x.Name, y.Name), cmp.Compare(x.VM, y.VM))
	})
	byName := func(x, y cluster.Move) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.VM, y.VM)) }
	slices.SortFunc(m.Arrived, byName)
	slices.SortFunc(m.Left, byName)
	return m
}

// walk lists the changes of host. While a VM is seen on two hosts at once it counts as where it was.
func (t *trace) walk(p *paths, vm string) []cluster.Move {
	var moves []cluster.Move
	was, seen := "", 0
	for look := range p.looks {
		on := t.place(look, was)
		if on == "" {
			continue
		}
		if was != "" && on != was {
			moves = append(moves, cluster.Move{VM: vm, Name: t.name, From: was, To: on, Last: p.at(seen), At: p.at(look)})
		}
		was, seen = on, look
	}
	return moves
}

// place is the host that it runs on at a look, that one if it is still seen there, and "" where it is not seen.
func (t *trace) place(look int, was string) string {
	if at := t.on[was]; at != nil && at[look] {
		return was
	}
	found := ""
	for host, at := range t.on {
		if at[look] && (found == "" || host < found) {
			found = host
		}
	}
	return found
}

// firstOn is the first look at which it was on the host.
func (t *trace) firstOn(host string) int { return max(0, slices.Index(t.on[host], true)) }

// lastPlace is where it was seen last, and at which look.
func (t *trace) lastPlace() (host string, look int) {
	for on, at := range t.on {
		for i := len(at) - 1; i >= 0; i-- {
			if at[i] {
				if i > look || i == look && (host == "" || on < host) {
					host, look = on, i
				}
				break
			}
		}
	}
	return host, look
}
