package promql

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// numbers are what the snapshot says of VMs beside where they are. Use is by VM, because a VM that
// moved leaves part of it behind with the exporter that it came from. Everything else is by VM and
// exporter, because a definition that was left behind on another host says nothing about the VM.
type numbers struct {
	demand, steal, earlier               map[string]float64
	vcpus, memory, memoryDemand, movable map[key]float64
	dirty, answers, balloon, swap        map[key]float64
	arrived, moves                       map[string]float64
	lastSeconds, lastDowntime, lastBytes map[key]float64
	cpu                                  map[key]*model.Sample
	recent                               map[string][]string
	hypervisor                           map[string]string
	tied, tags                           map[key][]string
	compat, job, automation, priority    map[key]string
	disks, nics                          map[key]model.Vector
	storage                              map[string]map[string]string
	networks                             networks
	window                               time.Duration
	caps                                 map[string]cluster.Level
	priorities                           map[string]string
}

func (b *vmBuilder) numbers() numbers {
	r := b.raw
	return numbers{
		demand: by(r.vmDemand, "vm"), steal: by(r.vmSteal, "vm"), earlier: by(r.vmsEarlier, "vm"),
		vcpus: byKey(r.vmVCPUs), memory: byKey(r.vmMemory), memoryDemand: byKey(r.vmMemoryDemand), movable: byKey(r.vmMovable),
		dirty: byKey(r.vmDirty), answers: byKey(r.vmAnswers), tied: labelsByKey(r.vmTied, "reason"), tags: labelsByKey(r.vmTags, "tag"),
		balloon: byKey(r.vmBalloon), swap: byKey(r.vmSwap), arrived: by(r.vmArrived, "vm"), moves: by(r.vmMoves, "vm"),
		lastSeconds: byKey(r.lastSeconds), lastDowntime: byKey(r.lastDowntime), lastBytes: byKey(r.lastBytes),
		cpu: samplesByKey(r.vmCPU), recent: listBy(r.vmsRemembered, "vm", "host"), hypervisor: hypervisors(r),
		compat: labelByKey(r.vmCPU, "compat"), job: labelByKey(r.vmJobs, "operation"),
		automation: labelByKey(r.vmSettings, "automation"), priority: labelByKey(r.vmSettings, "restart_priority"),
		disks: groupByKey(r.vmDisks), nics: groupByKey(r.vmNetworks),
		storage: sharedPools(r, b.opts), networks: networksOf(r), window: b.opts.Window, caps: b.opts.Automation, priorities: b.opts.RestartPriorities,
	}
}

func byKey(v model.Vector) map[key]float64 {
	m := make(map[key]float64, len(v))
	for _, s := range v {
		m[keyOf(s)] = float64(s.Value)
	}
	return m
}

func samplesByKey(v model.Vector) map[key]*model.Sample {
	m := make(map[key]*model.Sample, len(v))
	for _, s := range v {
		m[keyOf(s)] = s
	}
	return m
}

// hypervisors gives the kind of hypervisor of each host.
func hypervisors(r raw) map[string]string {
	m := map[string]string{}
	for _, h := range r.hosts {
		m[label(h, "host")] = label(h, "hypervisor")
	}
	return m
}

func labelByKey(v model.Vector, name string) map[key]string {
	m := make(map[key]string, len(v))
	for _, s := range v {
		m[keyOf(s)] = label(s, name)
	}
	return m
}

func labelsByKey(v model.Vector, name string) map[key][]string {
	m := map[key][]string{}
	for _, s := range v {
		m[keyOf(s)] = append(m[keyOf(s)], label(s, name))
	}
	for k := range m {
		m[k] = sorted(m[k])
	}
	return m
}

func groupByKey(v model.Vector) map[key]model.Vector {
	m := map[key]model.Vector{}
	for _, s := range v {
		m[keyOf(s)] = append(m[keyOf(s)], s)
	}
	return m
}

// fill writes the numbers that the exporter of the VM's place gave.
func (n numbers) fill(vm *cluster.VM, instance string) {
	k := key{vm.ID, instance}
	vm.VCPUs, vm.MemoryBytes = int(n.vcpus[k]), int64(n.memory[k])
	vm.CPUDemandCores, vm.MemoryDemandBytes = n.demand[vm.ID], int64(n.memoryDemand[k])
	if steal, ok := n.steal[vm.ID]; ok {
		vm.CPUStealRatio = cluster.Known(steal)
	}
	if dirty, ok := n.dirty[k]; ok {
		vm.DirtyBytesPerSecond = cluster.Known(dirty)
	}
	if x, ok := n.balloon[k]; ok {
		vm.MemoryBalloonBytes = cluster.Known(x)
	}
	if x, ok := n.swap[k]; ok {
		vm.SwapBytesPerSecond = cluster.Known(x)
	}
	n.settings(vm, k)
	n.journey(vm, k)
	vm.Hypervisor = n.hypervisor[vm.Host]
	if c := n.cpu[k]; c != nil && label(c, "mode") == "custom" { // other modes carry more than the model's name says
		vm.CPUModel = label(c, "model")
	}
	compat, compatKnown := n.compat[k]
	vm.CPUCompat = compat
	disk, nic := n.attach(vm, n.disks[k]), n.plug(vm, n.nics[k])
	vm.LocalDisk = disk
	switch movable, known := n.movable[k]; {
	case !known || !compatKnown:
		vm.ImmovableReason = "its definition has not been read yet"
	case movable == 0:
		vm.ImmovableReason = strings.Join(n.tied[k], "; ")
	case n.silent(k):
		vm.ImmovableReason = "its process on the host does not answer"
	case n.job[k] != "":
		vm.ImmovableReason = "a job is under way: " + n.job[k]
	case disk != "":
		vm.ImmovableReason = disk
	case nic != "":
		vm.ImmovableReason = nic
	default:
		vm.Movable = true
	}
}

// journey is what is known of the VM's migrations.
func (n numbers) journey(vm *cluster.VM, k key) {
	if at, ok := n.arrived[vm.ID]; ok {
		vm.MovedAt = time.UnixMilli(int64(at * 1000)).UTC()
	}
	vm.MovesLastDay = int(n.moves[vm.ID] + 0.5)
	if seconds, ok := n.lastSeconds[k]; ok && seconds > 0 {
		vm.LastMigration = &cluster.MigrationCost{Seconds: seconds, DowntimeSeconds: n.lastDowntime[k], TransferredBytes: int64(n.lastBytes[k])}
	}
	for _, host := range n.recent[vm.ID] {
		if host != vm.Host {
			vm.RecentHosts = append(vm.RecentHosts, host)
		}
	}
}

// settings are what the VM's owner wrote into its metadata. The exporter leaves out what it does not
// understand; a level that is not understood here must not pass for none, and is the most cautious.
func (n numbers) settings(vm *cluster.VM, k key) {
	vm.Tags, vm.RestartPriority = n.tags[k], n.priority[k]
	if text := n.automation[k]; text != "" {
		var level cluster.Level
		if level.UnmarshalText([]byte(text)) != nil {
			level = cluster.LevelOff
		}
		vm.Automation = &level
	}
	for _, name := range []string{vm.ID, vm.Name} {
		if level, ok := n.caps[name]; ok && (vm.Automation == nil || level < *vm.Automation) {
			vm.Automation = &level
		}
	}
	for _, name := range []string{vm.Name, vm.ID} { // the UUID is the more exact one
		if own, ok := n.priorities[name]; ok {
			vm.RestartPriority = own
		}
	}
}

func (n numbers) silent(k key) bool {
	up, ok := n.answers[k]
	return ok && up == 0
}

// attach lists the storage that the disks need, and says why one of them ties the VM to its host.
func (n numbers) attach(vm *cluster.VM, disks model.Vector) (why string) {
	for _, d := range disks {
		pool := label(d, "pool")
		id, shared := n.storage[vm.Host][pool]
		switch {
		case label(d, "type") == "network":
			// every host reaches it in its own right, over the network
		case pool == "":
			why = fmt.Sprintf("its disk %s (%s) lies in no storage pool", label(d, "device"), label(d, "path"))
		case !shared:
			why = fmt.Sprintf("its disk %s lies on storage %s, which is not declared as shared", label(d, "device"), pool)
		default:
			vm.Storage = append(vm.Storage, id)
		}
	}
	vm.Storage = sorted(vm.Storage)
	return why
}

// plug lists the networks that the interfaces need, and says why one of them ties the VM to its host.
// An interface without a network needs none, or the exporter said that the VM cannot move.
func (n numbers) plug(vm *cluster.VM, nics model.Vector) (why string) {
	for _, i := range nics {
		name := label(i, "network")
		if name == "" {
			continue
		}
		vm.Networks = append(vm.Networks, name)
		if slices.Contains(n.networks.islands[vm.Host], name) {
			why = fmt.Sprintf("its interface %s is on network %s, which %s shares with no other host", label(i, "interface"), name, vm.Host)
		}
	}
	vm.Networks = sorted(vm.Networks)
	return why
}

func sorted(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
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
		return fmt.Sprintf("it was not seen at the beginning of the window of %s that use is averaged over", n.window)
	}
	if vm.MemoryBytes == 0 || vm.VCPUs == 0 {
		return "its exporter does not say how many vCPUs and how much memory it has"
	}
	return ""
}
