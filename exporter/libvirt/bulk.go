package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

// found is one domain in a reading.
type found struct {
	vm stat.VM
	// id is the domain's ID on its host, 0 while it is not active.
	id uint
	// arriving tells that the domain may be the incoming side of a migration, left that it is what a
	// migration left behind.
	arriving, left bool
	// control tells that it is the hypervisor's own domain.
	control bool
}

// pace knows how long readings take, and from that how long one may take before a domain must be
// holding it up.
type pace struct{ usual time.Duration }

const (
	// patienceFloor and patienceCeiling bound what a domain that does not answer can add to a reading.
	patienceFloor, patienceCeiling = 500 * time.Millisecond, 2 * time.Second
	// patienceTimes is how many times longer than usual a reading may take.
	patienceTimes = 8
	// attempts is how many readings are tried that ask the VMs' processes. Each of them gets past one
	// more domain that does not answer, because the call that it hangs in keeps that domain busy.
	attempts = 3
)

func (p *pace) patience() time.Duration {
	return min(max(patienceTimes*p.usual, patienceFloor), patienceCeiling)
}

func (p *pace) took(d time.Duration) {
	if p.usual == 0 {
		p.usual = d
	}
	p.usual += (d - p.usual) / 8
}

// readDomains reads all domains: by one call where the driver has it, else by calls for each.
func (r *Reader) readDomains(ctx context.Context) ([]found, error) {
	r.mu.Lock()
	single := r.single
	r.mu.Unlock()
	if !single {
		all, err := r.readBulk(ctx)
		if !unsupported(err) {
			return all, err
		}
		r.mu.Lock()
		r.single = true
		r.mu.Unlock()
	}
	return r.readEach(ctx)
}

// readBulk reads all domains by one call. The call asks the VMs' processes one after the other, and
// libvirt sets itself no limit there: one process that is stopped would hold up everybody. So the call
// is left hanging when it takes far longer than usual, and made again. The domain that it hangs at is
// busy now and is passed over. Where that does not help, what needs no answer from the processes is
// read alone.
func (r *Reader) readBulk(ctx context.Context) ([]found, error) {
	groups := r.groups()
	retried := false
	for range attempts {
		start := time.Now()
		all, err := r.bulk(ctx, groups, r.patience())
		switch {
		case err == nil:
			r.mu.Lock()
			r.pace.took(time.Since(start))
			r.mu.Unlock()
			return all, nil
		case ctx.Err() != nil || unsupported(err):
			return nil, err
		case errors.Is(err, context.DeadlineExceeded):
			r.mu.Lock()
			r.heldUp++
			r.mu.Unlock()
		case retried:
			return nil, err
		default:
			// The daemon was restarted, most likely: it may be back already.
			retried = true
		}
	}
	return r.bulk(ctx, groups&^askingGroups, patienceCeiling)
}

func (r *Reader) patience() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pace.patience()
}

// askingGroups are what libvirt asks the VMs' processes for.
const askingGroups = libvirt.DOMAIN_STATS_BALLOON | libvirt.DOMAIN_STATS_VCPU | libvirt.DOMAIN_STATS_BLOCK

// groups are the groups of statistics that the collectors need.
func (r *Reader) groups() libvirt.DomainStatsTypes {
	groups := libvirt.DOMAIN_STATS_STATE
	for _, g := range []struct {
		collector string
		groups    libvirt.DomainStatsTypes
	}{
		{"vm_cpu", libvirt.DOMAIN_STATS_CPU_TOTAL | libvirt.DOMAIN_STATS_VCPU}, {"vm_memory", libvirt.DOMAIN_STATS_BALLOON},
		{"vm_block", libvirt.DOMAIN_STATS_BLOCK}, {"vm_network", libvirt.DOMAIN_STATS_INTERFACE},
	} {
		if r.opts.Collect(g.collector) {
			groups |= g.groups
		}
	}
	return groups
}

func (r *Reader) bulk(ctx context.Context, groups libvirt.DomainStatsTypes, limit time.Duration) ([]found, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var all []found
	err := r.fast.Call(ctx, "read domain statistics", func(c *libvirt.Connect) error {
		records, err := c.GetAllDomainStats(nil, groups, libvirt.CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
		if err != nil {
			return err
		}
		all = make([]found, 0, len(records))
		for i := range records {
			f, err := fromRecord(&records[i])
			if err == nil {
				if groups&libvirt.DOMAIN_STATS_CPU_TOTAL != 0 {
					fillIn(records[i].Domain, &f.vm)
				}
				all = append(all, f)
			}
			_ = records[i].Domain.Free() // it frees our handle only; nothing can be done about a failure
		}
		return nil
	})
	return all, err
}

func fromRecord(r *libvirt.DomainStats) (found, error) {
	f, err := identify(r.Domain)
	if err != nil {
		return f, err
	}
	if r.State != nil && r.State.StateSet {
		f.state(r.State.State, r.State.Reason)
	}
	f.vm.VCPUs = vcpus(r.Vcpu)
	if !f.vm.State.Active() {
		return f, nil // the counters that libvirt still lists are left over from its last life
	}
	vm := &f.vm
	if r.Cpu != nil {
		vm.CPUSeconds = nanoseconds(r.Cpu.TimeSet, r.Cpu.Time)
		vm.UserSeconds = nanoseconds(r.Cpu.UserSet, r.Cpu.User)
		vm.SystemSeconds = nanoseconds(r.Cpu.SystemSet, r.Cpu.System)
	}
	vm.PerVCPU = readVCPUs(r.Vcpu)
	if r.Balloon != nil {
		vm.Memory = readMemory(r.Balloon)
		vm.Answers = &r.Balloon.RssSet // libvirt leaves it out, as all that it has to ask for
	}
	vm.Blocks, vm.Interfaces = readBlocks(r.Block), readInterfaces(r.Net)
	return f, nil
}

// fillIn asks for what a driver's bulk call does not have although the domain is active: libvirt's
// test driver gives nothing but states there.
func fillIn(d *libvirt.Domain, vm *stat.VM) {
	if !vm.State.Active() || vm.CPUSeconds.Known || vm.VCPUs > 0 {
		return
	}
	info, err := d.GetInfo()
	if err != nil {
		return
	}
	vm.VCPUs, vm.CPUSeconds = int(info.NrVirtCpu), nanoseconds(true, info.CpuTime)
	vm.Memory.Maximum, vm.Memory.Balloon = kibibytes(true, info.MaxMem), kibibytes(true, info.Memory)
}

// identify reads what a domain is; its handle knows all that by itself.
func identify(d *libvirt.Domain) (found, error) {
	var f found
	var err error
	if f.vm.UUID, err = d.GetUUIDString(); err != nil {
		return f, fmt.Errorf("read a domain's UUID: %w", err)
	}
	if f.vm.Name, err = d.GetName(); err != nil {
		return f, fmt.Errorf("read the name of domain %s: %w", f.vm.UUID, err)
	}
	if id, err := d.GetID(); err == nil {
		f.id = id
	}
	f.control = f.vm.UUID == controlUUID
	return f, nil
}

// controlUUID is the UUID of Xen's Domain-0.
const controlUUID = "00000000-0000-0000-0000-000000000000"

// state sets the VM's state and what it says about migrations.
func (f *found) state(s libvirt.DomainState, reason int) {
	f.vm.State, f.vm.Reason = virt.State(s), virt.Reason(s, reason)
	f.arriving = s == libvirt.DOMAIN_PAUSED && (f.vm.Reason == virt.MigratingReason || f.vm.Reason == virt.StartingReason)
	f.left = s == libvirt.DOMAIN_SHUTOFF && f.vm.Reason == virt.MigratedReason
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

func readVCPUs(records []libvirt.DomainStatsVcpu) []stat.VCPU {
	list := make([]stat.VCPU, 0, len(records))
	for i := range records {
		v := &records[i]
		if !v.StateSet && !v.TimeSet {
			continue
		}
		c := stat.VCPU{Number: i, Seconds: nanoseconds(v.TimeSet, v.Time), Steal: nanoseconds(v.DelaySet, v.Delay), Wait: nanoseconds(v.WaitSet, v.Wait)}
		if v.HaltedSet {
			c.Halted = &v.Halted
		}
		list = append(list, c)
	}
	return list
}

func readMemory(b *libvirt.DomainStatsBalloon) stat.VMMemory {
	return stat.VMMemory{
		Maximum: kibibytes(b.MaximumSet, b.Maximum), Balloon: kibibytes(b.CurrentSet, b.Current),
		Unused: kibibytes(b.UnusedSet, b.Unused), Usable: kibibytes(b.UsableSet, b.Usable),
		Available: kibibytes(b.AvailableSet, b.Available), Caches: kibibytes(b.DiskCachesSet, b.DiskCaches),
		SwapIn: kibibytes(b.SwapInSet, b.SwapIn), SwapOut: kibibytes(b.SwapOutSet, b.SwapOut),
		MajorFaults: number(b.MajorFaultSet, b.MajorFault), MinorFaults: number(b.MinorFaultSet, b.MinorFault),
		HugePages: number(b.HugetlbPgAllocSet, b.HugetlbPgAlloc), HugePagesFailed: number(b.HugetlbPgFailSet, b.HugetlbPgFail),
		Told: number(b.LastUpdateSet && b.LastUpdate > 0, b.LastUpdate), RSS: kibibytes(b.RssSet, b.Rss),
	}
}

func readBlocks(records []libvirt.DomainStatsBlock) []stat.Block {
	blocks := make([]stat.Block, 0, len(records))
	for i := range records {
		b := &records[i]
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
			PhysicalBytes: number(b.PhysicalSet, b.Physical), Errors: number(b.ErrorsSet, b.Errors),
		})
	}
	return blocks
}

func readInterfaces(records []libvirt.DomainStatsNet) []stat.Interface {
	nics := make([]stat.Interface, 0, len(records))
	for i := range records {
		n := &records[i]
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
