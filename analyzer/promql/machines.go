package promql

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// Machine is a computer without a hypervisor that is to be seen as well.
type Machine struct {
	Name string
	// Instance is the label of its node_exporter's series.
	Instance string
	Tags     []string
}

// machines adds to the snapshot what node_exporter tells of the machines. They are never part of a plan.
func (s *Source) machines(ctx context.Context, snap *cluster.Snapshot) error {
	if len(s.opts.Machines) == 0 {
		return nil
	}
	f := &fetch{ctx: ctx, api: s.api, at: snap.At}
	var up, seen, cores, used, memory, taken model.Vector
	pressures := make([]model.Vector, 3)
	window := model.Duration(s.opts.Window).String()
	f.vector(`max by (instance) (up)`, &up)
	f.vector(`max by (instance) (timestamp(node_memory_MemTotal_bytes))`, &seen)
	f.vector(`max by (instance) (count by (instance, job) (node_cpu_seconds_total{mode="idle"}))`, &cores)
	f.vector(`sum by (instance) (max by (instance, cpu, mode) (rate(node_cpu_seconds_total{mode!~"idle|iowait|steal"}[`+window+`])))`, &used)
	f.vector(`max by (instance) (node_memory_MemTotal_bytes)`, &memory)
	f.vector(`max by (instance) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)`, &taken)
	for i, name := range []string{"node_pressure_cpu_waiting_seconds_total", "node_pressure_memory_waiting_seconds_total", "node_pressure_io_waiting_seconds_total"} {
		f.vector(`max by (instance) (rate(`+name+`[`+window+`]))`, &pressures[i])
	}
	if err := f.wait(); err != nil {
		return err
	}
	find := func(v model.Vector) map[string]float64 { return by(v, "instance") }
	scraped, last := find(up), find(seen)
	n, u, all, t := find(cores), find(used), find(memory), find(taken)
	cpu, mem, io := find(pressures[0]), find(pressures[1]), find(pressures[2])
	number := func(m map[string]float64, instance string) cluster.Number {
		if v, ok := m[instance]; ok {
			return cluster.Known(v)
		}
		return cluster.Number{}
	}
	for _, one := range s.opts.Machines {
		m := cluster.Machine{ID: one.Name, Tags: one.Tags, CPUCores: n[one.Instance], MemoryBytes: int64(all[one.Instance]),
			CPUUsedCores: number(u, one.Instance), MemoryUsedBytes: number(t, one.Instance),
			CPUPressureRatio: number(cpu, one.Instance), MemoryPressureRatio: number(mem, one.Instance), IOPressureRatio: number(io, one.Instance)}
		at, told := last[one.Instance]
		fresh := told && snap.At.Sub(time.UnixMilli(int64(at*1000))) <= s.opts.MaxDataAge
		switch answers, known := scraped[one.Instance]; {
		case known && answers == 0:
			m = cluster.Machine{ID: one.Name, Tags: one.Tags, State: cluster.HostDown, Reason: "its node_exporter does not answer"}
		case fresh:
			m.State = cluster.HostUp
		default: // not a gap of the snapshot: nothing that is planned rests on it
			m = cluster.Machine{ID: one.Name, Tags: one.Tags, Reason: "Prometheus holds nothing new of a node_exporter with the instance " + one.Instance}
		}
		snap.Machines = append(snap.Machines, m)
	}
	slices.SortFunc(snap.Machines, func(a, b cluster.Machine) int { return strings.Compare(a.ID, b.ID) })
	return nil
}
