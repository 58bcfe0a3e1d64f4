package promql

import (
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

func label(s *model.Sample, name string) string { return string(s.Metric[model.LabelName(name)]) }

// by indexes values by one label; of several with the same label the largest counts.
func by(v model.Vector, name string) map[string]float64 {
	m := make(map[string]float64, len(v))
	for _, s := range v {
		key := label(s, name)
		if was, ok := m[key]; !ok || float64(s.Value) > was {
			m[key] = float64(s.Value)
		}
	}
	return m
}

// listBy collects the values of one label for each value of another, sorted and without doubles.
func listBy(v model.Vector, key, of string) map[string][]string {
	m := map[string][]string{}
	for _, s := range v {
		m[label(s, key)] = append(m[label(s, key)], label(s, of))
	}
	for k := range m {
		slices.Sort(m[k])
		m[k] = slices.Compact(m[k])
	}
	return m
}

func build(r raw, o Options, at time.Time) cluster.Snapshot {
	s := cluster.Snapshot{Cluster: o.Cluster, At: at.UTC()}
	s.Hosts, s.Gaps = buildHosts(r, o, at)
	b := vmBuilder{raw: r, opts: o, snap: &s}
	b.build()
	for _, rule := range o.Rules {
		s.Rules = append(s.Rules, resolve(rule, s))
	}
	return s
}

// resolve turns the names that people write into rules into the IDs of the VMs that bear them. A
// name that no VM bears now is kept: it ties nothing until one does.
func resolve(r cluster.Rule, s cluster.Snapshot) cluster.Rule {
	var ids []string
	for _, key := range r.VMs {
		found := s.FindVMs(key)
		if len(found) == 0 {
			ids = append(ids, key)
		}
		for _, v := range found {
			ids = append(ids, v.ID)
		}
	}
	r.VMs = ids
	return r
}

func buildHosts(r raw, o Options, at time.Time) ([]cluster.Host, []cluster.Gap) {
	names := slices.Clone(o.Hosts)
	compat := map[string]string{}
	for _, h := range r.hosts {
		names = append(names, label(h, "host"))
		compat[label(h, "host")] = label(h, "cpu_compat")
	}
	slices.Sort(names)
	names = slices.Compact(names)
	seen, cpus, memory := by(r.hostSeen, "host"), by(r.hostCPUs, "host"), by(r.hostMemory, "host")
	networks, storage, overhead := listBy(r.networks, "host", "network"), sharedPools(r, o), overheads(r)
	var hosts []cluster.Host
	var gaps []cluster.Gap
	for _, name := range names {
		h := cluster.Host{
			ID: name, State: cluster.HostUp, CPUCores: cpus[name], MemoryBytes: int64(memory[name]),
			ReservedCPUCores: max(o.ReservedCPUCores, overhead[name]), ReservedMemoryBytes: o.ReservedMemoryBytes,
			CPUCompat: compat[name], Storage: storage[name], Networks: networks[name],
		}
		if why := unseen(name, seen, h, o, at); why != "" {
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

func sharedPools(r raw, o Options) map[string][]string {
	var shared model.Vector
	for _, p := range r.pools {
		if label(p, "shared") == "true" || slices.Contains(o.SharedStorage, label(p, "pool")) {
			shared = append(shared, p)
		}
	}
	return listBy(shared, "host", "pool")
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
	over := map[string]float64{}
	for _, h := range r.hostCPUUsed {
		i := label(h, "instance")
		over[label(h, "host")] = max(0, used[i]-vms[i]) / float64(n[i])
	}
	return over
}

type vmBuilder struct {
	raw  raw
	opts Options
	snap *cluster.Snapshot
}

// place is one host's word on a VM.
type place struct {
	host, name string
	state      cluster.VMState
}

func (b *vmBuilder) build() {
	states := map[[2]string]cluster.VMState{} // by VM and instance
	for _, s := range b.raw.vmState {
		var st cluster.VMState
		if st.UnmarshalText([]byte(label(s, "state"))) == nil {
			states[[2]string{label(s, "vm"), label(s, "instance")}] = st
		}
	}
	places := map[string][]place{}
	var ids []string
	for _, s := range b.raw.vms {
		id := label(s, "vm")
		if places[id] == nil {
			ids = append(ids, id)
		}
		places[id] = append(places[id], place{label(s, "host"), label(s, "name"), states[[2]string{id, label(s, "instance")}]})
	}
	numbers := b.numbers()
	slices.Sort(ids)
	for _, id := range ids {
		vm, gap := settle(id, places[id])
		numbers.fill(&vm)
		if gap == "" {
			gap = numbers.missing(vm)
		}
		b.add(vm, gap)
	}
	b.remember(places)
}

func (b *vmBuilder) add(vm cluster.VM, gap string) {
	if _, ok := b.snap.Host(vm.Host); vm.Host != "" && !ok {
		b.snap.Hosts = append(b.snap.Hosts, cluster.Host{ID: vm.Host})
		b.snap.Gaps = append(b.snap.Gaps, cluster.Gap{Subject: cluster.HostSubject(vm.Host), Reason: "only its VMs are known"})
	}
	b.snap.VMs = append(b.snap.VMs, vm)
	if gap != "" {
		b.snap.Gaps = append(b.snap.Gaps, cluster.Gap{Subject: cluster.VMSubject(vm.ID), Reason: gap})
	}
}

// settle decides where a VM is when several hosts know it, and says so when that is not certain.
func settle(id string, places []place) (cluster.VM, string) {
	slices.SortFunc(places, func(x, y place) int {
		if d := certainty(x.state) - certainty(y.state); d != 0 {
			return d
		}
		if x.host < y.host {
			return -1
		}
		return 1
	})
	first := places[0]
	vm := cluster.VM{ID: id, Name: first.name, Host: first.host, State: first.state}
	for _, other := range places[1:] {
		if other.host == first.host || !other.state.Active() {
			continue
		}
		if first.state == cluster.VMRunning && other.state == cluster.VMRunning {
			return vm, fmt.Sprintf("it is seen running on %s and on %s at once", first.host, other.host)
		}
		if first.state == cluster.VMRunning {
			vm.MigratingTo = other.host
		}
		return vm, fmt.Sprintf("%s has it too (%s): a migration is under way or was left half done", other.host, other.state)
	}
	if first.state == cluster.VMUnknown {
		return vm, "its state is not known"
	}
	return vm, ""
}

func certainty(s cluster.VMState) int {
	switch {
	case s == cluster.VMRunning:
		return 0
	case s.Active():
		return 1
	}
	return 2
}

// remember adds the VMs that stood on hosts which give no data any more: they are somewhere, most
// likely still there, and nobody may plan with them.
func (b *vmBuilder) remember(places map[string][]place) {
	for _, s := range b.raw.vmsRemembered {
		id, host := label(s, "vm"), label(s, "host")
		if places[id] != nil {
			continue
		}
		if h, ok := b.snap.Host(host); !ok || h.State != cluster.HostUnknown {
			continue // the host is seen and does not have it: the VM was undefined
		}
		places[id] = []place{{host: host}}
		b.add(cluster.VM{ID: id, Name: label(s, "name"), Host: host}, "its host "+host+" gives no data")
	}
}

// numbers are the VMs' numbers by UUID.
type numbers struct {
	vcpus, memory, demand, memoryDemand, steal, movable map[string]float64
	earlier                                             map[string]float64
	window                                              time.Duration
	tied, compat                                        map[string]string
	compatKnown                                         map[string]bool
	networks                                            map[string][]string
	storage                                             map[string][]string
	disks                                               map[string]string // why a disk ties the VM down
}

func (b *vmBuilder) numbers() numbers {
	r := b.raw
	n := numbers{
		vcpus: by(r.vmVCPUs, "vm"), memory: by(r.vmMemory, "vm"), demand: by(r.vmDemand, "vm"),
		memoryDemand: by(r.vmMemoryDemand, "vm"), steal: by(r.vmSteal, "vm"), movable: by(r.vmMovable, "vm"),
		earlier: by(r.vmsEarlier, "vm"), window: b.opts.Window,
		tied: map[string]string{}, compat: map[string]string{}, compatKnown: map[string]bool{},
		networks: listBy(r.vmNetworks, "vm", "network"), disks: map[string]string{},
	}
	for _, s := range r.vmTied {
		n.tied[label(s, "vm")] = label(s, "reason")
	}
	for _, s := range r.vmCPU {
		n.compat[label(s, "vm")] = label(s, "compat")
		n.compatKnown[label(s, "vm")] = true
	}
	shared := map[string]bool{}
	for _, pools := range sharedPools(r, b.opts) {
		for _, p := range pools {
			shared[p] = true
		}
	}
	var pooled model.Vector
	for _, d := range r.vmDisks {
		switch {
		case label(d, "type") == "network":
			// every host reaches it in its own right, over the network
		case label(d, "pool") == "":
			n.disks[label(d, "vm")] = fmt.Sprintf("its disk %s (%s) lies in no storage pool", label(d, "device"), label(d, "path"))
		case !shared[label(d, "pool")]:
			n.disks[label(d, "vm")] = fmt.Sprintf("its disk %s lies on storage %s, which is not declared as shared", label(d, "device"), label(d, "pool"))
		default:
			pooled = append(pooled, d)
		}
	}
	n.storage = listBy(pooled, "vm", "pool")
	return n
}

func (n numbers) fill(vm *cluster.VM) {
	id := vm.ID
	vm.VCPUs, vm.MemoryBytes = int(n.vcpus[id]), int64(n.memory[id])
	vm.CPUDemandCores, vm.MemoryDemandBytes = n.demand[id], int64(n.memoryDemand[id])
	if steal, ok := n.steal[id]; ok {
		vm.CPUStealRatio = cluster.Known(steal)
	}
	vm.CPUCompat, vm.Storage, vm.Networks = n.compat[id], n.storage[id], n.networks[id]
	switch movable, known := n.movable[id]; {
	case !known || !n.compatKnown[id]:
		vm.ImmovableReason = "its definition has not been read yet"
	case movable == 0:
		vm.ImmovableReason = n.tied[id]
	case n.disks[id] != "":
		vm.ImmovableReason = n.disks[id]
	default:
		vm.Movable = true
	}
}

// missing says which numbers of a running VM are not there.
func (n numbers) missing(vm cluster.VM) string {
	if vm.State != cluster.VMRunning {
		return ""
	}
	if _, ok := n.demand[vm.ID]; !ok {
		return "its CPU use is not known yet; it takes two scrapes"
	}
	if _, ok := n.earlier[vm.ID]; !ok {
		return fmt.Sprintf("it has been seen for less than the window of %s that use is averaged over", n.window)
	}
	if vm.MemoryBytes == 0 || vm.VCPUs == 0 {
		return "its exporter does not say how many vCPUs and how much memory it has"
	}
	return ""
}
