package exporter

import (
	"context"
	"math"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

type fakeMachine struct{ m stat.Machine }

func (f fakeMachine) Read(context.Context) stat.Machine { return f.m }

type fakeHeartbeat struct{}

func (fakeHeartbeat) Read() stat.Heartbeat {
	return stat.Heartbeat{AgeSeconds: cluster.Known(2), Peers: []stat.Peer{{Host: "h2", AgeSeconds: 3}, {Host: "h3", AgeSeconds: 300}}}
}

type fakeNeighbours struct{}

func (fakeNeighbours) Read() stat.Neighbours {
	return stat.Neighbours{Peers: []stat.Neighbour{{Host: "h2", AgeSeconds: 1}, {Host: "h3", AgeSeconds: math.Inf(1)}}}
}

// full is a reading with every number that there can be, a VM of which little is known, one that
// arrives and one that does not answer.
func full() stat.Host {
	yes := true
	h := stat.Host{
		Name: "h1", UUID: "aaaa", Local: true, Hypervisor: "QEMU", HypervisorVersion: "7.2.0", LibvirtVersion: "9.0.0", KVM: &yes,
		CPU:      stat.HostCPU{Arch: "x86_64", Vendor: "AMD", Model: "EPYC", Compat: "c0ffee00", Usable: []string{"EPYC", "qemu64"}, Logical: 8, Sockets: 1, Cores: 4, Threads: 2, NUMANodes: 1, Hertz: 2.4e9},
		Networks: []stat.Network{{Name: "br0", Shared: true}, {Name: "default"}},
		Pools: []stat.Pool{{Name: "nfs", Type: "netfs", Path: "/nfs", Source: "filer:/vol1", Shared: true, State: "running", Capacity: cluster.Known(100), Allocation: cluster.Known(60), Available: cluster.Known(40)},
			{Name: "local", Type: "dir", Path: "/local", State: "inactive"}},
		Connection: stat.Connection{Opened: 2, Hanging: 1, Slow: 3, InventoryAge: 30 * time.Second},
		Also:       []stat.VM{{UUID: "3333", Name: "web3", State: cluster.VMPaused}},
	}
	for _, c := range []string{stat.ReadHost, stat.ReadDomains, stat.ReadDefinitions, "host_network", "vm_dirty_rate", "vm_job", "vm_guest_agent", "vm_events"} {
		h.Readings = append(h.Readings, stat.Reading{Collector: c, Took: time.Millisecond})
	}
	h.Readings = append(h.Readings, stat.Reading{Collector: "storage_pool", Err: "one could not be read"})
	no := false
	h.VMs = []stat.VM{fullVM(), {UUID: "2222", Name: "bad\xffname", State: cluster.VMShutoff}, {UUID: "4444", Name: "stuck", State: cluster.VMRunning, VCPUs: 1, Answers: &no}}
	return h
}

func fullVM() stat.VM {
	n, yes, no := cluster.Known, true, false
	v := stat.VM{
		UUID: "1111", Name: "web1", State: cluster.VMRunning, Reason: "booted", Persistent: &yes, Autostart: &no, Answers: &yes, VCPUs: 2, CPUSeconds: n(50), UserSeconds: n(40), SystemSeconds: n(10),
		PerVCPU: []stat.VCPU{{Number: 0, Seconds: n(20), Steal: n(1.5), Wait: n(.5), Halted: &no}, {Number: 1, Seconds: n(30), Steal: n(2.5), Wait: n(.25), Halted: &yes}},
		Memory: stat.VMMemory{Maximum: n(1 << 30), Balloon: n(1 << 29), Unused: n(1 << 28), Usable: n(1 << 28), Available: n(1 << 29), Caches: n(1 << 20), RSS: n(1 << 30),
			SwapIn: n(1), SwapOut: n(2), MajorFaults: n(3), MinorFaults: n(4), HugePages: n(5), HugePagesFailed: n(6), Told: n(1.7e9)},
		Blocks: []stat.Block{{Device: "vda", ReadBytes: n(1), WriteBytes: n(2), ReadRequests: n(3), WriteRequests: n(4), ReadSeconds: n(5), WriteSeconds: n(6),
			FlushRequests: n(7), FlushSeconds: n(8), CapacityBytes: n(9), AllocationBytes: n(10), PhysicalBytes: n(11)}},
		Interfaces: []stat.Interface{{Index: 0, ReceiveBytes: n(1), TransmitBytes: n(2), ReceivePackets: n(3), TransmitPackets: n(4),
			ReceiveErrors: n(5), TransmitErrors: n(6), ReceiveDrops: n(7), TransmitDrops: n(8)}},
		Jobs: true, Job: &stat.Job{Operation: "migration-out", ElapsedSeconds: n(1), RemainingBytes: n(2), ProcessedBytes: n(3), TotalBytes: n(5), DirtyBytesPerSecond: n(6), BytesPerSecond: n(7),
			ExpectedDowntimeSeconds: n(.3), Iteration: n(2), ThrottleRatio: n(.2)},
		BlockJobs: []stat.BlockJob{{Device: "vda", Type: "copy", Done: 1, Total: 4}, {Device: "vdb", Type: "backup"}},
		Arrival:   &stat.Migration{Seconds: n(12), DowntimeSeconds: n(.1), TransferredBytes: n(1 << 27), At: n(1700000000)},
		DirtyRate: &stat.DirtyRate{BytesPerSecond: 1 << 22, At: 1.7e9},
		Agent: &stat.Agent{Answers: &yes, SilentSeconds: n(4), Hostname: "web1.example", OSID: "debian", OSName: "Debian GNU/Linux 12", OSVersion: "12", Kernel: "6.1.0",
			Filesystems: []stat.GuestFilesystem{{Mountpoint: "/", Total: 100, Used: 50}}, Load1: n(.1), Load5: n(.2), Load15: n(.3)},
		IOErrors: map[string]float64{"vda": 1},
		Definition: &stat.Definition{Machine: "pc-q35-7.2", CPUMode: "host-model", CPUModel: "EPYC", CPUCompat: "c0ffee00", MemoryBytes: 1 << 30, VCPUs: 2, HugePageBytes: 2 << 20,
			Disks: []stat.Disk{{Type: "file", Device: "vda", Path: "/nfs/web1.qcow2", Format: "qcow2", Pool: "nfs", Shared: true, Depth: n(1)}},
			NICs:  []stat.NIC{{Index: 0, MAC: "52:54:00:00:00:01", Network: "br0"}}, Immovable: []string{"it has a passed-through device", "it shares memory with its host"},
			AgentChannel: true, AgentConnected: true, BalloonStats: &yes, Snapshots: n(2),
			Settings:  stat.Settings{Automation: "manual", RestartPriority: "high", Tags: []string{"db", "web"}, Problem: `attribute "colour" is not known`},
			Resources: stat.Resources{Shares: n(1024), LimitCores: n(1.5), HardLimit: n(1 << 31), SoftLimit: n(1 << 30), Guaranteed: n(1 << 29), SwapHardLimit: n(1 << 32)}},
	}
	for i := range stat.EventNames() {
		v.Events = append(v.Events, float64(i))
	}
	return v
}

// onXen is a reading of a hypervisor that has no bulk call and a domain of its own.
func onXen() stat.Host {
	n := cluster.Known
	return stat.Host{
		Name: "h9", UUID: "bbbb", Hypervisor: "Xen", HypervisorVersion: "4.17.0", LibvirtVersion: "9.0.0",
		CPU:      stat.HostCPU{Arch: "x86_64", Model: "pentium", Compat: "0badcafe", Logical: 1},
		Memory:   &stat.HostMemory{Total: 1 << 34, Free: n(1 << 33), Available: n(1 << 33)},
		Time:     &stat.CPUTime{User: 100, System: 20, Idle: 700, IOWait: 3},
		Control:  &stat.Control{CPUSeconds: n(77), MemoryBytes: n(1 << 29), VCPUs: 1},
		VMs:      []stat.VM{{UUID: "9999", Name: "pv1", State: cluster.VMRunning, VCPUs: 1, CPUSeconds: n(5), Blocks: []stat.Block{{Device: "xvda", Errors: n(1)}}}},
		Readings: []stat.Reading{{Collector: stat.ReadHost}, {Collector: stat.ReadDomains}, {Collector: "host_cpu"}, {Collector: "host_memory"}},
	}
}

func fullMachine() stat.Machine {
	n, yes, checks := cluster.Known, true, 3.0
	m := stat.Machine{
		Hostname: "kernelname",
		CPU:      &stat.MachineCPU{User: 1, Nice: 2, System: 3, Idle: 4, IOWait: 5, IRQ: 6, SoftIRQ: 7, Steal: 8, Guest: 9},
		Memory:   &stat.MachineMemory{Total: 1 << 34, Free: 1 << 33, SwapTotal: 1 << 30, SwapFree: 1 << 29, Available: n(3 << 32), Dirty: n(4096), HugePages: []stat.HugePages{{Size: 2 << 20, Total: 10, Free: 5, Surplus: 1, Reserved: n(2)}}},
		NUMA:     []stat.NUMANode{{Node: 0, CPUs: 8, Total: 1 << 34, Free: 1 << 33, HugePages: []stat.HugePages{{Size: 2 << 20, Total: 10, Free: 5}}}},
		Load:     &stat.Load{One: .5, Five: .4, Fifteen: .3, Running: 2, Blocked: 1},
		Pressure: &stat.Pressure{CPU: &stat.Stalls{Some: stat.Stall{Seconds: 10, Ratio: .1}}, Memory: &stat.Stalls{Full: &stat.Stall{}}, IO: &stat.Stalls{Some: stat.Stall{Seconds: 20, Ratio: .2}, Full: &stat.Stall{Seconds: 5, Ratio: .05}}},
		Time:     &stat.MachineTime{Boot: n(1.6e9), Clock: &stat.Clock{Synchronised: true, Offset: 1e-6, EstimatedError: 1e-5, MaximumError: 1e-3}},
		Bonds:    []stat.Bond{{Name: "bond0", Mode: "802.3ad", Slaves: 2, Up: 1}}, Multipaths: []stat.Multipath{{Name: "mpatha", Active: 3, Failed: 1}},
		EDAC: []stat.MemoryController{{Name: "mc0", Correctable: 2, Uncorrectable: 0}}, MachineChecks: &checks, Certificates: []stat.Certificate{{Path: "/etc/pki/libvirt/servercert.pem", NotAfter: time.Unix(1.8e9, 0)}},
		Filesystems: []stat.Filesystem{{MountPoint: "/", Type: "ext4", Size: n(100), Free: n(50), Available: n(45), Inodes: n(10), InodesFree: n(5)},
			{MountPoint: "/nfs", Type: "nfs4", ReadOnly: true, Stalled: true}},
		KVM:            &stat.KVM{Device: true, Nested: &yes},
		NetworkDevices: []stat.NetworkDevice{{Name: "eth0", Kind: "physical", Enabled: true, Carrier: true, Speed: n(1e10), ReceiveBytes: 1, TransmitBytes: 2, ReceiveErrors: 3, TransmitErrors: 4, ReceiveDrops: 5, TransmitDrops: 6}},
	}
	for _, c := range []string{"host_cpu", "host_memory", "host_numa", "host_load", "host_pressure", "host_time", "host_bond", "host_multipath", "host_edac", "host_mce", "host_filesystem", "host_kvm", "host_network_device"} {
		m.Readings = append(m.Readings, stat.Reading{Collector: c, Took: time.Millisecond})
	}
	return m
}
