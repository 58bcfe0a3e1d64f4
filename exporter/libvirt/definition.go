package libvirt

import (
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"
)

// parseDefinition takes from a domain's XML what matters, with what is known of its host.
func parseDefinition(text string, h stat.Host) (stat.Definition, error) {
	var def libvirtxml.Domain
	if err := def.Unmarshal(text); err != nil {
		return stat.Definition{}, err
	}
	var d stat.Definition
	if def.OS != nil && def.OS.Type != nil {
		d.Machine = def.OS.Type.Machine
	}
	if cpu := def.CPU; cpu != nil && cpu.Mode != "" {
		d.CPUMode, d.CPUCompat = cpu.Mode, h.CPU.Compat
		if cpu.Model != nil {
			d.CPUModel = cpu.Model.Value
		}
	}
	if def.VCPU != nil {
		d.VCPUs = int(def.VCPU.Value)
		if def.VCPU.Current > 0 {
			d.VCPUs = int(def.VCPU.Current)
		}
	}
	if def.Memory != nil {
		d.MemoryBytes = bytesOf(uint64(def.Memory.Value), def.Memory.Unit)
	}
	d.HugePageBytes = hugePage(def.MemoryBacking)
	d.Resources = memoryLimits(def.MemoryTune)
	if def.Metadata != nil {
		d.Settings = parseSettings(def.Metadata.XML)
	}
	d.Immovable = immovable(def)
	if def.Devices != nil {
		devices(&d, def.Devices, h.Pools)
	}
	return d, nil
}

func devices(d *stat.Definition, list *libvirtxml.DomainDeviceList, pools []stat.Pool) {
	for _, k := range list.Disks {
		if disk, ok := parseDisk(k, pools); ok {
			d.Disks = append(d.Disks, disk)
		}
	}
	for i, n := range list.Interfaces {
		d.NICs = append(d.NICs, parseNIC(i, n))
	}
	for _, c := range list.Channels {
		if c.Target != nil && c.Target.VirtIO != nil && c.Target.VirtIO.Name == "org.qemu.guest_agent.0" {
			d.AgentChannel, d.AgentConnected = true, c.Target.VirtIO.State == "connected"
		}
	}
	if b := list.MemBalloon; b != nil && strings.HasPrefix(b.Model, "virtio") {
		asked := b.Stats != nil && b.Stats.Period > 0
		d.BalloonStats = &asked
	}
}

// memoryLimits are the VM's limits of memory. What libvirt writes for "no limit" (a number near 2^63)
// is none.
func memoryLimits(t *libvirtxml.DomainMemoryTune) stat.Resources {
	if t == nil {
		return stat.Resources{}
	}
	return stat.Resources{HardLimit: memoryLimit(t.HardLimit), SoftLimit: memoryLimit(t.SoftLimit),
		SwapHardLimit: memoryLimit(t.SwapHardLimit), Guaranteed: memoryLimit(t.MinGuarantee)}
}

func memoryLimit(l *libvirtxml.DomainMemoryTuneLimit) cluster.Number {
	const unlimited = 1 << 62
	if l == nil {
		return cluster.Number{}
	}
	if b := bytesOf(l.Value, l.Unit); b > 0 && b < unlimited {
		return cluster.Known(b)
	}
	return cluster.Number{}
}

func hugePage(b *libvirtxml.DomainMemoryBacking) float64 {
	const usual = 2 << 20 // a definition that names no size leaves it to the host, where 2 MiB is usual
	switch {
	case b == nil || b.MemoryHugePages == nil:
		return 0
	case len(b.MemoryHugePages.Hugepages) == 0:
		return usual
	}
	page := b.MemoryHugePages.Hugepages[0]
	return bytesOf(uint64(page.Size), page.Unit)
}

// bytesOf scales a number by libvirt's unit; without one it is KiB.
func bytesOf(v uint64, unit string) float64 {
	scale := map[string]float64{"b": 1, "bytes": 1, "KB": 1e3, "": 1 << 10, "k": 1 << 10, "KiB": 1 << 10, "MB": 1e6, "M": 1 << 20, "MiB": 1 << 20,
		"GB": 1e9, "G": 1 << 30, "GiB": 1 << 30, "TB": 1e12, "T": 1 << 40, "TiB": 1 << 40}[unit]
	return float64(v) * scale
}

func parseDisk(d libvirtxml.DomainDisk, pools []stat.Pool) (stat.Disk, bool) {
	disk := stat.Disk{}
	if d.Target != nil {
		disk.Device = d.Target.Dev
	}
	if d.Alias != nil {
		disk.Alias = d.Alias.Name
	}
	if d.Driver != nil {
		disk.Format = d.Driver.Type
	}
	if d.Source == nil {
		return disk, false // an empty drive
	}
	disk.Depth = depth(d.BackingStore)
	switch {
	case d.Source.File != nil:
		disk.Type, disk.Path = "file", d.Source.File.File
	case d.Source.Block != nil:
		disk.Type, disk.Path = "block", d.Source.Block.Dev
	case d.Source.Volume != nil:
		disk.Type, disk.Path, disk.Pool = "volume", d.Source.Volume.Volume, d.Source.Volume.Pool
	case d.Source.Network != nil:
		disk.Type, disk.Path = "network", d.Source.Network.Protocol+":"+d.Source.Network.Name
	}
	if disk.Pool == "" {
		disk.Pool = poolOf(disk.Path, pools)
	}
	disk.Shared = disk.Type == "network" || slices.ContainsFunc(pools, func(p stat.Pool) bool { return p.Name == disk.Pool && p.Shared })
	return disk, disk.Path != ""
}

// depth counts the images behind a disk's own. A definition that does not list them (of a VM that has
// not run) does not tell.
func depth(b *libvirtxml.DomainDiskBackingStore) cluster.Number {
	if b == nil {
		return cluster.Number{}
	}
	n := 0
	for b != nil && b.Format != nil { // the end of the chain is an element with nothing in it
		n++
		b = b.BackingStore
	}
	return cluster.Known(float64(n))
}

// poolOf names the pool that a path lies in. Pools may lie in one another; the innermost one counts.
func poolOf(path string, pools []stat.Pool) string {
	name, longest := "", 0
	for _, p := range pools {
		root := strings.TrimSuffix(p.Path, "/") + "/"
		if p.Path != "" && len(root) > longest && strings.HasPrefix(path, root) {
			name, longest = p.Name, len(root)
		}
	}
	return name
}

func parseNIC(i int, n libvirtxml.DomainInterface) stat.NIC {
	nic := stat.NIC{Index: i}
	if n.MAC != nil {
		nic.MAC = n.MAC.Address
	}
	if n.Source == nil {
		return nic
	}
	switch {
	case n.Source.Bridge != nil:
		nic.Network = n.Source.Bridge.Bridge
	case n.Source.Network != nil:
		nic.Network = n.Source.Network.Network
	case n.Source.Direct != nil:
		nic.Network = n.Source.Direct.Dev
	}
	return nic
}

// completeDefinition adds what a definition does not say. A driver that does not have a call, and a
// host without the control group for it, leave their part out.
func completeDefinition(dom *libvirt.Domain, d *stat.Definition) {
	if n, err := dom.SnapshotNum(0); err == nil {
		d.Snapshots = cluster.Known(float64(n))
	}
	p, err := dom.GetSchedulerParameters()
	if err != nil {
		return
	}
	switch {
	case p.CpuSharesSet:
		d.Resources.Shares = cluster.Known(float64(p.CpuShares))
	case p.WeightSet:
		d.Resources.Shares = cluster.Known(float64(p.Weight))
	}
	d.Resources.LimitCores = cpuLimit(p, d.VCPUs)
}

// cpuLimit is the tightest of a scheduler's limits, in cores: a quota of each vCPU, a quota of them
// together, and Xen's cap in percent of one CPU. 0 and less stand for no limit.
func cpuLimit(p *libvirt.DomainSchedulerParameters, vcpus int) cluster.Number {
	var limit cluster.Number
	// Where a control group says "max", libvirt 9 gives 2^44 - 1 microseconds: no machine has as many cores.
	const most = 1 << 16
	tighten := func(cores float64) {
		if cores > 0 && cores < most && (!limit.Known || cores < limit.Value) {
			limit = cluster.Known(cores)
		}
	}
	if p.VcpuPeriodSet && p.VcpuPeriod > 0 {
		tighten(float64(p.VcpuQuota) / float64(p.VcpuPeriod) * float64(vcpus))
	}
	if p.GlobalPeriodSet && p.GlobalPeriod > 0 {
		tighten(float64(p.GlobalQuota) / float64(p.GlobalPeriod))
	}
	tighten(float64(p.Cap) / 100)
	return limit
}
