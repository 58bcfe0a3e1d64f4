// Package stat holds what an exporter knows of a host and its VMs as plain values, whatever the
// hypervisor was and however it was asked. It reads nothing and decides nothing.
package stat

import "github.com/evenkeel/evenkeel/internal/cluster"

// Host is one reading of one hypervisor.
type Host struct {
	// URI is where it was read; Name and UUID are the hypervisor's own.
	URI, Name, UUID string
	// Hypervisor is libvirt's word for the driver, for example "QEMU" or "Xen".
	Hypervisor, HypervisorVersion, LibvirtVersion string
	Arch, CPUModel                                string
	// CPUCompat is equal on hosts whose guests see the same CPU. A host that does not tell its CPU
	// has a group of its own.
	CPUCompat string
	// CPUs are logical CPUs.
	CPUs   int
	Time   *CPUTime
	Memory *HostMemory
	// Networks are what a guest's interface can be plugged into: libvirt's networks and the host's
	// bridges.
	Networks []Network
	Pools    []Pool
	VMs      []VM
	// Also are active VMs that another host of the same exporter holds as well, with more certainty:
	// their series are published for that host.
	Also []VM
	// Failed names the groups of numbers that could not be read this time, with the reason.
	Failed []Failure
}

// Failure is a group of numbers that could not be read.
type Failure struct{ Group, Reason string }

// CPUTime is a host's CPU time since boot, in seconds, summed over its CPUs.
type CPUTime struct{ User, System, Idle, IOWait float64 }

// HostMemory is a host's memory in bytes.
type HostMemory struct {
	Total, Free int64
	// Available is what programs could have without swapping.
	Available int64
}

// Network is something that a guest's interface can be plugged into.
type Network struct {
	Name string
	// Shared tells that the name leads outside the host, to a network that others reach too. The
	// networks that libvirt makes for one host alone (NAT, routed, isolated) are not.
	Shared bool
}

// Pool is a storage pool that is active on a host.
type Pool struct {
	Name, Type, Path string
	// Source is where the pool's content comes from (server and directory, or the name of the
	// volume group, image pool or device); empty for a directory of the host.
	Source string
	// Shared tells that the pool's kind is one that several hosts can reach (netfs, rbd, …).
	Shared bool
}

// VM is one reading of one VM.
type VM struct {
	UUID, Name string
	State      cluster.VMState
	VCPUs      int
	// CPUSeconds, UserSeconds and SystemSeconds count the host's CPU time spent on the VM.
	CPUSeconds, UserSeconds, SystemSeconds cluster.Number
	// StealSeconds counts for each vCPU the time in which it was ready and waited for a CPU.
	StealSeconds []Steal
	Memory       VMMemory
	Blocks       []Block
	Interfaces   []Interface
	// Identity is nil until the VM's definition has been read.
	Identity *Identity
}

// Steal is one vCPU's waiting time in seconds.
type Steal struct {
	VCPU    int
	Seconds float64
}

// VMMemory is a VM's memory in bytes; what the balloon driver did not tell is not known.
type VMMemory struct {
	// Maximum is the configured size, Balloon what the balloon leaves to the guest now.
	Maximum, Balloon cluster.Number
	// Unused and Usable are the guest's own words: free, and available without swapping.
	Unused, Usable, Available cluster.Number
	// RSS is what the VM's process holds on the host.
	RSS cluster.Number
}

// Block is one block device of a VM.
type Block struct {
	// Device is the target's name in the guest's definition, for example "vda".
	Device                         string
	ReadBytes, WriteBytes          cluster.Number
	ReadRequests, WriteRequests    cluster.Number
	ReadSeconds, WriteSeconds      cluster.Number
	FlushRequests, FlushSeconds    cluster.Number
	CapacityBytes, AllocationBytes cluster.Number
	PhysicalBytes                  cluster.Number
}

// Interface is one network interface of a VM.
type Interface struct {
	// Index is its place in the VM's definition, which survives a migration; the name of the
	// device on the host does not.
	Index                           int
	ReceiveBytes, TransmitBytes     cluster.Number
	ReceivePackets, TransmitPackets cluster.Number
	ReceiveErrors, TransmitErrors   cluster.Number
	ReceiveDrops, TransmitDrops     cluster.Number
}

// Identity is what a VM's definition says that matters for moving it.
type Identity struct {
	Machine string
	// CPUMode is libvirt's word ("host-passthrough", "custom", …), empty for the default CPU.
	CPUMode, CPUModel string
	// CPUCompat is the group of hosts that it can run on; empty means any.
	CPUCompat string
	Disks     []Disk
	NICs      []NIC
	// Immovable says why it cannot be migrated live; empty when nothing in its definition forbids it.
	Immovable string
}

// Disk is one disk of a VM's definition.
type Disk struct {
	// Type is how the host gets at it: "file", "block", "volume" or "network".
	Type                 string
	Device, Path, Format string
	// Pool is the storage pool that the path lies in, empty when it lies in none.
	Pool string
}

// NIC is one network interface of a VM's definition.
type NIC struct {
	Index        int
	MAC, Network string
}
