package promql

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

func buildHosts(r raw, o Options, at time.Time) ([]cluster.Host, []cluster.Gap) {
	names := slices.Clone(o.Hosts)
	compat, hypervisor := map[string]string{}, map[string]string{}
	for _, h := range r.hosts {
		names = append(names, label(h, "host"))
		compat[label(h, "host")], hypervisor[label(h, "host")] = label(h, "cpu_compat"), label(h, "hypervisor")
	}
	slices.Sort(names)
	names = slices.Compact(names)
	seen, cpus, memory := by(r.hostSeen, "host"), by(r.hostCPUs, "host"), by(r.hostMemory, "host")
	reach, storage, overhead := networksOf(r), sharedPools(r, o), overheads(r)
	models, broken, maintenance := listBy(r.hostModels, "host", "model"), faultsByHost(r.faults), by(r.hostMaintenance, "host")
	standby := by(r.hostStandby, "host")
	pressures := []map[string]float64{by(r.hostPressure, "host"), by(r.hostMemoryPressure, "host"), by(r.hostIOPressure, "host")}
	var hosts []cluster.Host
	var gaps []cluster.Gap
	for _, name := range names {
		h := cluster.Host{
			ID: name, State: cluster.HostUp, CPUCores: cpus[name], MemoryBytes: int64(memory[name]),
			ReservedCPUCores: max(o.ReservedCPUCores, overhead[name]), ReservedMemoryBytes: o.ReservedMemoryBytes,
			CPUCompat: compat[name], CPUModels: models[name], Hypervisor: hypervisor[name],
			Storage: slices.Sorted(maps.Values(storage[name])), Networks: reach.shared[name], Faults: broken[name],
		}
		for i, into := range []*cluster.Number{&h.CPUPressureRatio, &h.MemoryPressureRatio, &h.IOPressureRatio} {
			if p, ok := pressures[i][name]; ok {
				*into = cluster.Known(p)
			}
		}
		place(&h, o.Places[name])
		if maintenance[name] == 1 || standby[name] > 0 {
			h.State = cluster.HostMaintenance // what is on its way into standby is emptied as well
		}
		h.Retiring = standby[name] > 0
		if standby[name] == asleep && !fresh(name, seen, o, at) {
			h.State = cluster.HostStandby
		} else if why := unseen(name, seen, h, o, at); why != "" {
			h.State = cluster.HostUnknown
			gaps = append(gaps, cluster.Gap{Subject: cluster.HostSubject(name), Reason: why})
		}
		hosts = append(hosts, h)
	}
	if len(hosts) == 0 {
		gaps = append(gaps, cluster.Gap{Subject: "cluster", Reason: "Prometheus knows no host; are the exporters running and scraped?"})
	}
	return hosts, gaps
}

// asleep is the value of evenkeel_host_standby for a host that is off because evenkeel turned it off.
const asleep = 2

// place writes what a person said of the host.
func place(h *cluster.Host, p Place) {
	h.FailureDomain, h.Tags, h.Automation = p.FailureDomain, slices.Clone(p.Tags), p.Automation
	if n := len(p.PowerCurve); n > 0 {
		h.PowerCurve, h.IdleWatts, h.PeakWatts = p.PowerCurve, cluster.Known(p.PowerCurve[0]), cluster.Known(p.PowerCurve[n-1])
	}
}

// fresh tells whether the host's newest data are young. Those of a host that went off while Prometheus was down itself are there,
// and old: nothing marked them as ended.
func fresh(name string, seen map[string]float64, o Options, at time.Time) bool {
	stamp, ok := seen[name]
	return ok && at.Sub(time.UnixMilli(int64(stamp*1000))) <= o.MaxDataAge
}

// unseen says why the host's data cannot be used, or "".
func unseen(name string, seen map[string]float64, h cluster.Host, o Options, at time.Time) string {
	stamp, ok := seen[name]
	if !ok {
		return "Prometheus holds no present data of it; is its exporter running, and libvirtd?"
	}
	if age := at.Sub(time.UnixMilli(int64(stamp * 1000))); age > o.MaxDataAge {
		return fmt.Sprintf("its newest data are %s old, the limit is %s", age.Round(time.Second), o.MaxDataAge)
	}
	if h.CPUCores <= 0 || h.MemoryBytes <= 0 {
		return "its exporter does not say how many CPUs and how much memory it has"
	}
	return ""
}

// overheads is what each host uses beside its VMs, in cores: what it was seen to use less what the
// VMs that were on it used, over the same window. Where one exporter reads several hosts, VM series
// do not say which host they were on, and the hosts share the difference equally.
func overheads(r raw) map[string]float64 {
	vms, used, n := by(r.hostVMCPU, "instance"), map[string]float64{}, map[string]int{}
	for _, h := range r.hostCPUUsed {
		used[label(h, "instance")] += float64(h.Value)
		n[label(h, "instance")]++
	}
	over := by(r.hostControlCPU, "host")
	for _, h := range r.hostCPUUsed {
		i := label(h, "instance")
		over[label(h, "host")] = max(0, used[i]-vms[i]) / float64(n[i])
	}
	return over
}

// networks are the names that guests can be plugged into, by host.
type networks struct {
	// shared are the same network on every host that has the name.
	shared map[string][]string
	// islands exist on each host by themselves, so that a VM that moved would lose its network.
	islands map[string][]string
}

func networksOf(r raw) networks {
	var shared, islands model.Vector
	for _, n := range r.networks {
		if label(n, "shared") == "true" {
			shared = append(shared, n)
		} else {
			islands = append(islands, n)
		}
	}
	return networks{shared: listBy(shared, "host", "network"), islands: listBy(islands, "host", "network")}
}
