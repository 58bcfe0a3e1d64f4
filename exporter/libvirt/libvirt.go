// Package libvirt reads a host and its VMs from a libvirt daemon into plain values. The numbers
// come from one bulk call a reading (GetAllDomainStats, without waiting for domains that are busy)
// and three cheap ones for the host; definitions, pools and networks, which change rarely, are read
// in the background and never make a reading wait for long. It exports no metric.
package libvirt

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

// identityPatience is how long a reading waits for definitions that it misses.
const identityPatience = time.Second

// Reader reads one hypervisor. It is safe for concurrent use.
type Reader struct {
	conn *virt.Conn
	log  *slog.Logger

	mu       sync.Mutex
	inv      inventory
	renewing chan struct{}
}

// New returns a reader of the daemon at the libvirt URI. It connects when it is first read.
func New(uri string, log *slog.Logger) *Reader {
	return &Reader{conn: virt.New(uri), log: log.With("uri", uri)}
}

// URI returns the libvirt URI.
func (r *Reader) URI() string { return r.conn.URI() }

// Close gives the connection up.
func (r *Reader) Close() { r.conn.Close() }

// Read returns what the host is and does now. An error means that nothing could be read; groups of
// numbers that failed alone are named in the result.
func (r *Reader) Read(ctx context.Context) (stat.Host, error) {
	var vms []stat.VM
	var node node
	err := r.conn.Call(ctx, "read the host and its domains", func(c *libvirt.Connect) error {
		var err error
		if vms, err = readDomains(c); err != nil {
			return err
		}
		node, err = readNode(c)
		return err
	})
	if err != nil {
		return stat.Host{}, err
	}
	inv, err := r.inventory(ctx, vms)
	if err != nil {
		return stat.Host{}, err
	}
	h := inv.host
	h.URI = r.URI()
	h.CPUs, h.Time, h.Memory = node.cpus, node.time, node.memory
	h.Failed = append(append([]stat.Failure(nil), h.Failed...), node.failed...)
	for i := range vms {
		if id, ok := inv.identities[vms[i].UUID]; ok {
			vms[i].Identity = &id
		}
	}
	h.VMs = vms
	return h, nil
}

// inventory returns the newest inventory. It has it renewed in the background when it is old or
// misses a VM, and waits for that only as long as identityPatience; the very first one is waited
// for as long as ctx allows, because without it the host has no name.
func (r *Reader) inventory(ctx context.Context, vms []stat.VM) (inventory, error) {
	r.mu.Lock()
	inv := r.inv
	missing := inv.misses(vms)
	if !missing && time.Since(inv.at) < inventoryAge {
		r.mu.Unlock()
		return inv, nil
	}
	if r.renewing == nil {
		r.renewing = make(chan struct{})
		go r.renew(r.renewing)
	}
	wait := r.renewing
	r.mu.Unlock()
	if inv.at.IsZero() || missing {
		patience, cancel := ctx, context.CancelFunc(func() {})
		if !inv.at.IsZero() {
			patience, cancel = context.WithTimeout(ctx, identityPatience)
		}
		defer cancel()
		select {
		case <-wait:
		case <-patience.Done():
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inv.at.IsZero() {
		return inventory{}, fmt.Errorf("read the inventory of %s: libvirt gave no answer in time or refused", r.URI())
	}
	return r.inv, nil
}

func (r *Reader) renew(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), renewTimeout)
	defer cancel()
	r.mu.Lock()
	old := r.inv
	r.mu.Unlock()
	var inv inventory
	err := r.conn.Call(ctx, "read the inventory", func(c *libvirt.Connect) error {
		var err error
		inv, err = readInventory(c, old)
		return err
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(done)
	r.renewing = nil
	if err != nil {
		r.log.Warn("inventory not renewed, the old one is used on", "err", err)
		return
	}
	r.inv = inv
}

func readDomains(c *libvirt.Connect) ([]stat.VM, error) {
	const groups = libvirt.DOMAIN_STATS_STATE | libvirt.DOMAIN_STATS_CPU_TOTAL | libvirt.DOMAIN_STATS_BALLOON |
		libvirt.DOMAIN_STATS_VCPU | libvirt.DOMAIN_STATS_INTERFACE | libvirt.DOMAIN_STATS_BLOCK
	records, err := c.GetAllDomainStats(nil, groups, libvirt.CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
	if err != nil {
		return nil, fmt.Errorf("read domain statistics: %w", err)
	}
	vms := make([]stat.VM, 0, len(records))
	var firstErr error
	for _, record := range records {
		vm, err := readDomain(record)
		if err != nil && firstErr == nil {
			firstErr = err
		}
		if err == nil {
			vms = append(vms, vm)
		}
		_ = record.Domain.Free() // it frees our handle only; nothing can be done about a failure
	}
	return vms, firstErr
}

func readDomain(r libvirt.DomainStats) (stat.VM, error) {
	uuid, err := r.Domain.GetUUIDString()
	if err != nil {
		return stat.VM{}, fmt.Errorf("read a domain's UUID: %w", err)
	}
	name, err := r.Domain.GetName()
	if err != nil {
		return stat.VM{}, fmt.Errorf("read the name of domain %s: %w", uuid, err)
	}
	vm := stat.VM{UUID: uuid, Name: name, VCPUs: vcpus(r.Vcpu)}
	if r.State != nil && r.State.StateSet {
		vm.State = virt.State(r.State.State)
	}
	if !vm.State.Active() {
		return vm, nil // the counters that libvirt still lists are left over from its last life
	}
	if r.Cpu != nil {
		vm.CPUSeconds = nanoseconds(r.Cpu.TimeSet, r.Cpu.Time)
		vm.UserSeconds = nanoseconds(r.Cpu.UserSet, r.Cpu.User)
		vm.SystemSeconds = nanoseconds(r.Cpu.SystemSet, r.Cpu.System)
	}
	for i, v := range r.Vcpu {
		if v.DelaySet {
			vm.StealSeconds = append(vm.StealSeconds, stat.Steal{VCPU: i, Seconds: float64(v.Delay) / 1e9})
		}
	}
	if b := r.Balloon; b != nil {
		vm.Memory = stat.VMMemory{
			Maximum: kibibytes(b.MaximumSet, b.Maximum), Balloon: kibibytes(b.CurrentSet, b.Current),
			Unused: kibibytes(b.UnusedSet, b.Unused), Usable: kibibytes(b.UsableSet, b.Usable),
			Available: kibibytes(b.AvailableSet, b.Available), RSS: kibibytes(b.RssSet, b.Rss),
		}
	}
	vm.Blocks, vm.Interfaces = readBlocks(r.Block), readInterfaces(r.Net)
	return vm, nil
}

// vcpus counts the vCPUs that are plugged in. The library lists as many as the VM may ever have and
// leaves the records of the others empty. Where it says nothing of any (a VM that is shut off), as
// many as it may have are what it needs room for.
func vcpus(records []libvirt.DomainStatsVcpu) int {
	online := 0
	for _, v := range records {
		if v.StateSet || v.TimeSet {
			online++
		}
	}
	if online == 0 {
		return len(records)
	}
	return online
}

func readBlocks(records []libvirt.DomainStatsBlock) []stat.Block {
	blocks := make([]stat.Block, 0, len(records))
	for _, b := range records {
		if !b.NameSet || b.BackingIndexSet && b.BackingIndex > 0 && !b.RdBytesSet {
			continue // a backing file, listed without numbers of its own
		}
		blocks = append(blocks, stat.Block{
			Device:    b.Name,
			ReadBytes: number(b.RdBytesSet, b.RdBytes), WriteBytes: number(b.WrBytesSet, b.WrBytes),
			ReadRequests: number(b.RdReqsSet, b.RdReqs), WriteRequests: number(b.WrReqsSet, b.WrReqs),
			ReadSeconds: nanoseconds(b.RdTimesSet, b.RdTimes), WriteSeconds: nanoseconds(b.WrTimesSet, b.WrTimes),
			FlushRequests: number(b.FlReqsSet, b.FlReqs), FlushSeconds: nanoseconds(b.FlTimesSet, b.FlTimes),
			CapacityBytes: number(b.CapacitySet, b.Capacity), AllocationBytes: number(b.AllocationSet, b.Allocation),
			PhysicalBytes: number(b.PhysicalSet, b.Physical),
		})
	}
	return blocks
}

func readInterfaces(records []libvirt.DomainStatsNet) []stat.Interface {
	nics := make([]stat.Interface, 0, len(records))
	for i, n := range records {
		nics = append(nics, stat.Interface{
			Index:        i,
			ReceiveBytes: number(n.RxBytesSet, n.RxBytes), TransmitBytes: number(n.TxBytesSet, n.TxBytes),
			ReceivePackets: number(n.RxPktsSet, n.RxPkts), TransmitPackets: number(n.TxPktsSet, n.TxPkts),
			ReceiveErrors: number(n.RxErrsSet, n.RxErrs), TransmitErrors: number(n.TxErrsSet, n.TxErrs),
			ReceiveDrops: number(n.RxDropSet, n.RxDrop), TransmitDrops: number(n.TxDropSet, n.TxDrop),
		})
	}
	return nics
}

type node struct {
	cpus   int
	time   *stat.CPUTime
	memory *stat.HostMemory
	failed []stat.Failure
}

// readNode reads the host's own numbers. A driver that lacks the statistics calls (libxl) still
// tells the number of CPUs and the memory.
func readNode(c *libvirt.Connect) (node, error) {
	var n node
	info, err := c.GetNodeInfo()
	if err != nil {
		return n, fmt.Errorf("read node info: %w", err)
	}
	n.cpus = int(info.Cpus)
	if cpu, err := c.GetCPUStats(int(libvirt.NODE_CPU_STATS_ALL_CPUS), 0); err != nil {
		n.failed = append(n.failed, stat.Failure{Group: "host_cpu", Reason: err.Error()})
	} else {
		n.time = &stat.CPUTime{User: float64(cpu.User) / 1e9, System: float64(cpu.Kernel) / 1e9,
			Idle: float64(cpu.Idle) / 1e9, IOWait: float64(cpu.Iowait) / 1e9}
	}
	if mem, err := c.GetMemoryStats(int(libvirt.NODE_MEMORY_STATS_ALL_CELLS), 0); err == nil && mem.TotalSet {
		n.memory = &stat.HostMemory{Total: int64(mem.Total) << 10, Free: int64(mem.Free) << 10,
			Available: int64(mem.Free+mem.Buffers+mem.Cached) << 10}
		return n, nil
	}
	free, err := c.GetFreeMemory()
	if err != nil {
		n.failed = append(n.failed, stat.Failure{Group: "host_memory", Reason: err.Error()})
		return n, nil
	}
	n.memory = &stat.HostMemory{Total: int64(info.Memory) << 10, Free: int64(free), Available: int64(free)}
	return n, nil
}

func number(set bool, v uint64) cluster.Number {
	if !set {
		return cluster.Number{}
	}
	return cluster.Known(float64(v))
}

func nanoseconds(set bool, v uint64) cluster.Number {
	n := number(set, v)
	n.Value /= 1e9
	return n
}

func kibibytes(set bool, v uint64) cluster.Number {
	n := number(set, v)
	n.Value *= 1024
	return n
}
