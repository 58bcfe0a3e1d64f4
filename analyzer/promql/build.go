package promql

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	s.Rules = slices.Clone(o.Rules)
	if len(r.ownMoves) == 1 {
		s.OwnMovesLastDay = cluster.Known(float64(r.ownMoves[0].Value))
	}
	for _, server := range r.servers {
		s.Servers = append(s.Servers, label(server, "server"))
	}
	slices.Sort(s.Servers)
	return s
}

// sharedPools gives for each host the storage behind its pools that several hosts reach. It bears the
// pool's name; where the hosts do not agree on what the name stands for, that is added to it, so that
// only those that agree count as having the same storage.
func sharedPools(r raw, o Options) map[string]map[string]string {
	var shared model.Vector
	meanings := map[string]map[string]bool{}
	for _, p := range r.pools {
		name := label(p, "pool")
		if label(p, "shared") == "true" || slices.Contains(o.SharedStorage, name) {
			shared = append(shared, p)
			if meanings[name] == nil {
				meanings[name] = map[string]bool{}
			}
			meanings[name][meaning(p)] = true
		}
	}
	storage := map[string]map[string]string{}
	for _, p := range shared {
		name, host := label(p, "pool"), label(p, "host")
		if storage[host] == nil {
			storage[host] = map[string]string{}
		}
		storage[host][name] = name
		if len(meanings[name]) > 1 {
			storage[host][name] = name + "@" + meaning(p)
		}
	}
	return storage
}

// meaning is what must be equal on two hosts for a pool's name to be the same storage on both.
func meaning(p *model.Sample) string {
	parts := []string{label(p, "type"), label(p, "source"), label(p, "path")}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ":")
}

type vmBuilder struct {
	raw  raw
	opts Options
	snap *cluster.Snapshot
}

// key names the series of one VM from one exporter.
type key struct{ vm, instance string }

func keyOf(s *model.Sample) key { return key{label(s, "vm"), label(s, "instance")} }

// sight is one host's word on a VM, and the exporter that passed it on.
type sight struct {
	host, name, instance string
	state                cluster.VMState
}

func (b *vmBuilder) build() {
	places, lost, numbers := b.places(), b.lost(), b.numbers()
	for _, id := range slices.Sorted(maps.Keys(places)) {
		vm, first, gap := settle(id, places[id])
		if was, ok := lost[id]; ok && !first.state.Active() {
			b.add(cluster.VM{ID: id, Name: was.name, Host: was.host},
				fmt.Sprintf("its host %s gives no data; what %s has of it (%s) may be left over", was.host, first.host, first.state))
			continue
		}
		numbers.fill(&vm, first.instance)
		remember(&vm, b.raw.day, b.raw.hours)
		if gap == "" {
			gap = numbers.missing(vm)
		}
		b.add(vm, gap)
	}
	for _, id := range slices.Sorted(maps.Keys(lost)) {
		if places[id] == nil {
			b.add(cluster.VM{ID: id, Name: lost[id].name, Host: lost[id].host}, "its host "+lost[id].host+" gives no data")
		}
	}
}

// places lists the hosts that know each VM.
func (b *vmBuilder) places() map[string][]sight {
	states := map[key]cluster.VMState{}
	for _, s := range b.raw.vmState {
		states[keyOf(s)] = stateOf(s)
	}
	places := map[string][]sight{}
	add := func(s *model.Sample, st cluster.VMState) {
		id := label(s, "vm")
		places[id] = append(places[id], sight{label(s, "host"), label(s, "name"), label(s, "instance"), st})
	}
	for _, s := range b.raw.vms {
		add(s, states[keyOf(s)])
	}
	for _, s := range b.raw.vmsAlso {
		add(s, stateOf(s)) // it bears its own state, because evenkeel_vm_state is about the other place
	}
	return places
}

// stateOf reads the state that a series bears as a label; what cannot be read is unknown.
func stateOf(s *model.Sample) cluster.VMState {
	var st cluster.VMState
	if st.UnmarshalText([]byte(label(s, "state"))) != nil {
		return cluster.VMUnknown
	}
	return st
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

// settle decides where a VM is when several hosts know it, and says so when that is not certain. It
// returns the place that it chose too: numbers that must not be mixed are taken from there.
func settle(id string, places []sight) (cluster.VM, sight, string) {
	slices.SortFunc(places, func(x, y sight) int {
		return cmp.Or(certainty(x.state)-certainty(y.state), cmp.Compare(x.host, y.host), cmp.Compare(x.instance, y.instance))
	})
	first := places[0]
	vm := cluster.VM{ID: id, Name: first.name, Host: first.host, State: first.state}
	for _, other := range places[1:] {
		if other.host == first.host || !other.state.Active() {
			continue
		}
		if first.state == cluster.VMRunning && other.state == cluster.VMRunning {
			return vm, first, fmt.Sprintf("it is seen running on %s and on %s at once", first.host, other.host)
		}
		if first.state == cluster.VMRunning {
			vm.MigratingTo = other.host
		}
		return vm, first, fmt.Sprintf("%s has it too (%s): a migration is under way or was left half done", other.host, other.state)
	}
	if first.state == cluster.VMUnknown {
		return vm, first, "its state is not known"
	}
	return vm, first, ""
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

// lost gives the last known places of VMs on hosts that give no data any more: they are somewhere,
// most likely still there, and nobody may plan with them. A host that is seen and does not have a VM
// that it had before is not among them: the VM moved or was undefined.
func (b *vmBuilder) lost() map[string]sight {
	lost := map[string]sight{}
	for _, s := range b.raw.vmsRemembered {
		id, host := label(s, "vm"), label(s, "host")
		if h, ok := b.snap.Host(host); !ok || h.State != cluster.HostUnknown {
			continue
		}
		if was, ok := lost[id]; !ok || host < was.host {
			lost[id] = sight{host: host, name: label(s, "name")}
		}
	}
	return lost
}
