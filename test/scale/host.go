package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// What every host and VM has. VMs want 60 % of the hosts' CPUs on average, and are given 62 % of the memory.
const (
	cores, vcpus = 32, 4
	hostMemory   = 256 << 30
	vmMemory     = 8 << 30
	// hostsOfRack share a heartbeat's storage, ask each other whether they answer and have their rush hours together.
	hostsOfRack = 20
)

// load is what a VM wants of its vCPUs.
type load struct {
	mean, swing, period, phase float64
}

// newLoad spreads VMs over what is wanted, how much that changes, how fast and when. Every tenth host has VMs that want more than it has, so that
// there is always something to advise.
func newLoad(host, vm int) load {
	crowded := 1.
	if host%10 == 3 {
		crowded = 2
	}
	spread := func(step float64) float64 { return math.Mod(float64(host*31+vm*7+1)*step, 1) }
	return load{mean: crowded * (.3 + 1.2*spread(.6180339887)), swing: .2 + .5*spread(.7548776662), period: 600 + 1800*spread(.5698402910), phase: 2 * math.Pi * spread(.8191725134)}
}

// cores is what the VM wants at the time. In its rush hour, eight minutes of every two hours for each rack, an eighth of
// the VMs of a rack wants all that it has: hosts become too full, and others do, later.
func (l load) cores(at time.Time, rack int) float64 {
	t := float64(at.UnixMilli()) / 1000
	if busy := math.Mod(t/480+float64(rack), 15) < 1; busy && l.phase < math.Pi {
		return min(vcpus, 2*l.mean+1)
	}
	return l.mean * (1 + l.swing*math.Sin(2*math.Pi*t/l.period+l.phase))
}

// steady is a hypervisor that always says the same.
type steady struct{ host stat.Host }

// URI is part of exporter.Reader.
func (steady) URI() string { return "qemu:///system" }

// Read is part of exporter.Reader.
func (s steady) Read(context.Context) (stat.Host, error) { return s.host, nil }

func hostName(host int) string { return fmt.Sprintf("node%04d", host) }

// reading is a host with everything that an exporter on a KVM host tells.
func reading(host int, o options) (stat.Host, []load) {
	n, yes := cluster.Known, true
	name := hostName(host)
	h := stat.Host{
		Name: name, UUID: fmt.Sprintf("00000000-0000-4000-8000-%012d", host), Local: true, Hypervisor: "QEMU", HypervisorVersion: "7.2.0", LibvirtVersion: "9.0.0", KVM: &yes,
		CPU:  stat.HostCPU{Arch: "x86_64", Vendor: "AMD", Model: "EPYC", Compat: "c0ffee00", Usable: []string{"EPYC", "EPYC-Rome", "qemu64"}, Logical: cores, Sockets: 1, Cores: cores / 2, Threads: 2, NUMANodes: 1, Hertz: 2.4e9},
		Time: &stat.CPUTime{User: 1e6, System: 1e5, Idle: 1e7, IOWait: 1e3}, Memory: &stat.HostMemory{Total: hostMemory, Free: n(80 << 30), Available: n(90 << 30)},
		Networks: []stat.Network{{Name: "br0", Shared: true}},
		Pools: []stat.Pool{{Name: "nfs", Type: "netfs", Path: "/nfs", Source: "filer:/vol1", Shared: true, State: "running",
			Capacity: n(1 << 44), Allocation: n(1 << 43), Available: n(1 << 43)}},
		Connection: stat.Connection{Opened: 1, InventoryAge: 30 * time.Second}, Machine: machine(name),
		Heartbeat: &stat.Heartbeat{AgeSeconds: n(1)}, Neighbours: &stat.Neighbours{},
	}
	for _, c := range []string{stat.ReadHost, stat.ReadDomains, stat.ReadDefinitions, "storage_pool", "host_network", "vm_dirty_rate", "vm_job", "vm_guest_agent", "vm_events"} {
		h.Readings = append(h.Readings, stat.Reading{Collector: c, Took: time.Millisecond})
	}
	for i := host / hostsOfRack * hostsOfRack; i < min(o.hosts, (host/hostsOfRack+1)*hostsOfRack); i++ {
		if i != host {
			h.Heartbeat.Peers = append(h.Heartbeat.Peers, stat.Peer{Host: hostName(i), AgeSeconds: 1})
			h.Neighbours.Peers = append(h.Neighbours.Peers, stat.Neighbour{Host: hostName(i), AgeSeconds: 1})
		}
	}
	var loads []load
	for i := host; i < o.vms; i += o.hosts {
		h.VMs = append(h.VMs, newVM(i))
		loads = append(loads, newLoad(host, i))
	}
	return h, loads
}

// machine is what the host's kernel tells.
func machine(name string) *stat.Machine {
	n, no, checks := cluster.Known, false, 0.0
	m := &stat.Machine{
		Hostname: name,
		CPU:      &stat.MachineCPU{User: 1e4, System: 1e4, Idle: 1e7, IOWait: 1e3, SoftIRQ: 1e3, Guest: 1e6},
		Memory:   &stat.MachineMemory{Total: hostMemory, Free: 80 << 30, SwapTotal: 1 << 32, SwapFree: 1 << 32, Available: n(90 << 30), Dirty: n(1 << 20)},
		NUMA:     []stat.NUMANode{{Node: 0, CPUs: cores, Total: hostMemory, Free: 80 << 30}},
		Load:     &stat.Load{One: 18, Five: 18, Fifteen: 18, Running: 2},
		Pressure: &stat.Pressure{CPU: &stat.Stalls{Some: stat.Stall{Seconds: 10}}, Memory: &stat.Stalls{Full: &stat.Stall{}}, IO: &stat.Stalls{Full: &stat.Stall{}}},
		Time:     &stat.MachineTime{Boot: n(1.7e9), Clock: &stat.Clock{Synchronised: true, Offset: 1e-6, EstimatedError: 1e-5, MaximumError: 1e-3}},
		Bonds:    []stat.Bond{{Name: "bond0", Mode: "802.3ad", Slaves: 2, Up: 2}}, Multipaths: []stat.Multipath{{Name: "mpatha", Active: 4}},
		EDAC: []stat.MemoryController{{Name: "mc0"}, {Name: "mc1"}}, MachineChecks: &checks,
		Certificates: []stat.Certificate{{Path: "/etc/pki/libvirt/servercert.pem", NotAfter: time.Now().Add(200 * 24 * time.Hour)}},
		Filesystems: []stat.Filesystem{{MountPoint: "/", Type: "ext4", Size: n(1 << 38), Free: n(1 << 37), Available: n(1 << 37), Inodes: n(1 << 24), InodesFree: n(1 << 23)},
			{MountPoint: "/nfs", Type: "nfs4", Size: n(1 << 44), Free: n(1 << 43), Available: n(1 << 43)}},
		KVM: &stat.KVM{Device: true, Nested: &no},
	}
	for i, device := range []string{"eth0", "eth1", "bond0", "br0"} {
		kind := []string{"physical", "physical", "bond", "bridge"}[i]
		m.NetworkDevices = append(m.NetworkDevices, stat.NetworkDevice{Name: device, Kind: kind, Enabled: true, Carrier: true, Speed: n(1e10), ReceiveBytes: 1e12, TransmitBytes: 1e12})
	}
	for _, c := range []string{"host_cpu", "host_memory", "host_numa", "host_load", "host_pressure", "host_time", "host_bond", "host_multipath", "host_edac", "host_mce", "host_filesystem", "host_kvm", "host_network_device"} {
		m.Readings = append(m.Readings, stat.Reading{Collector: c, Took: time.Millisecond})
	}
	return m
}

// newVM is a VM with a disk, a network interface and a guest agent.
func newVM(i int) stat.VM {
	n, yes, no := cluster.Known, true, false
	name := fmt.Sprintf("vm%05d", i)
	v := stat.VM{
		UUID: fmt.Sprintf("%08x-1111-4111-8111-%012x", i, i), Name: name, State: cluster.VMRunning, Reason: "booted", Persistent: &yes, Autostart: &no, Answers: &yes, VCPUs: vcpus,
		CPUSeconds: n(1e5), UserSeconds: n(8e4), SystemSeconds: n(2e4),
		Memory: stat.VMMemory{Maximum: n(vmMemory), Balloon: n(vmMemory), Unused: n(3 << 30), Usable: n(4 << 30), Available: n(vmMemory), Caches: n(1 << 30), RSS: n(vmMemory),
			SwapIn: n(0), SwapOut: n(0), MajorFaults: n(1e4), MinorFaults: n(1e7), Told: n(1.7e9)},
		Blocks: []stat.Block{{Device: "vda", ReadBytes: n(1e10), WriteBytes: n(1e10), ReadRequests: n(1e6), WriteRequests: n(1e6), ReadSeconds: n(1e3), WriteSeconds: n(1e3),
			FlushRequests: n(1e5), FlushSeconds: n(1e2), CapacityBytes: n(1 << 36), AllocationBytes: n(1 << 35), PhysicalBytes: n(1 << 35)}},
		Interfaces: []stat.Interface{{Index: 0, ReceiveBytes: n(1e10), TransmitBytes: n(1e10), ReceivePackets: n(1e7), TransmitPackets: n(1e7),
			ReceiveErrors: n(0), TransmitErrors: n(0), ReceiveDrops: n(0), TransmitDrops: n(0)}},
		Jobs: true, DirtyRate: &stat.DirtyRate{BytesPerSecond: 32 << 20, At: 1.7e9},
		Agent: &stat.Agent{Answers: &yes, SilentSeconds: n(0), Hostname: name, OSID: "debian", OSName: "Debian GNU/Linux 12", OSVersion: "12", Kernel: "6.1.0",
			Filesystems: []stat.GuestFilesystem{{Mountpoint: "/", Total: 1 << 36, Used: 1 << 35}}, Load1: n(.5), Load5: n(.5), Load15: n(.5)},
		Definition: &stat.Definition{Machine: "pc-q35-7.2", CPUMode: "host-model", CPUModel: "EPYC", CPUCompat: "c0ffee00", MemoryBytes: vmMemory, VCPUs: vcpus,
			Disks: []stat.Disk{{Type: "file", Device: "vda", Path: "/nfs/" + name + ".qcow2", Format: "qcow2", Pool: "nfs", Shared: true, Depth: n(1)}},
			NICs:  []stat.NIC{{Index: 0, MAC: fmt.Sprintf("52:54:00:%02x:%02x:%02x", i>>16, i>>8&255, i&255), Network: "br0"}}, AgentChannel: true, AgentConnected: true, BalloonStats: &yes, Snapshots: n(0)},
		Events: make([]float64, len(stat.EventNames())),
	}
	for c := range vcpus {
		v.PerVCPU = append(v.PerVCPU, stat.VCPU{Number: c, Seconds: n(2.5e4), Steal: n(1), Wait: n(1), Halted: &no})
	}
	return v
}
