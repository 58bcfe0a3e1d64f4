package stat

import (
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Machine is what a machine's own Linux kernel says of it. A part is nil or empty when the machine
// has no such thing, and also when it could not be read, which Readings tell.
type Machine struct {
	// Hostname is the kernel's name for itself.
	Hostname string
	// ControlDomain tells that the machine is the privileged domain of a hypervisor of type 1: what its
	// kernel says of processors and memory is then not the host's.
	ControlDomain bool
	CPU           *MachineCPU
	Memory        *MachineMemory
	NUMA          []NUMANode
	Load          *Load
	Pressure      *Pressure
	Time          *MachineTime
	Bonds         []Bond
	Multipaths    []Multipath
	EDAC          []MemoryController
	// MachineChecks counts the machine check exceptions of all CPUs since boot.
	MachineChecks  *float64
	Filesystems    []Filesystem
	KVM            *KVM
	NetworkDevices []NetworkDevice
	Certificates   []Certificate
	// Readings has one entry for each part that was tried.
	Readings []Reading
}

// MachineCPU is CPU time since boot in seconds, summed over all CPUs. Every second stands in one
// column only: the kernel counts guests' time in user and nice as well, which is taken out here.
type MachineCPU struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal float64
	// Guest is the time that vCPUs ran, niced ones included.
	Guest float64
}

// MachineMemory is a machine's memory in bytes.
type MachineMemory struct {
	Total, Free         int64
	SwapTotal, SwapFree int64
	// Available is what programs could have without swapping; kernels before 3.14 do not tell it.
	Available cluster.Number
	// Dirty is what waits to be written to disks.
	Dirty     cluster.Number
	HugePages []HugePages
}

// HugePages are the huge pages of one size, counted in pages.
type HugePages struct {
	// Size is one page's size in bytes.
	Size        int64
	Total, Free int64
	// Surplus pages were made beyond the configured number.
	Surplus int64
	// Reserved pages are promised and still counted as free. They belong to no NUMA node, so there
	// they are not known.
	Reserved cluster.Number
}

// NUMANode is one NUMA node; its memory is in bytes.
type NUMANode struct {
	Node        int
	CPUs        int
	Total, Free int64
	HugePages   []HugePages
}

// Load is how many processes want to run or wait for a disk.
type Load struct {
	One, Five, Fifteen float64
	// Running and Blocked are counts of this moment.
	Running, Blocked int64
}

// Pressure is how much work stood still for want of a resource. A resource whose pressure the kernel
// does not tell is nil.
type Pressure struct{ CPU, Memory, IO *Stalls }

// Stalls are the stalls for want of one resource.
type Stalls struct {
	// Some is when at least one task stood still. Full is when all did; nil where the kernel does not
	// tell it.
	Some Stall
	Full *Stall
}

// Stall is time in which work stood still.
type Stall struct {
	// Seconds counts since boot, Ratio is the share of the last ten seconds, 0 to 1.
	Seconds, Ratio float64
}

// MachineTime is when the machine started and how good its clock is.
type MachineTime struct {
	// Boot is in seconds since 1970.
	Boot cluster.Number
	// Clock is nil when the kernel refuses to tell.
	Clock *Clock
}

// Clock is the kernel's own view of its clock, in seconds. It is only as true as the time service
// that steers it.
type Clock struct {
	Synchronised bool
	// Offset is what is still to be corrected. A service that steers by frequency alone leaves it 0.
	Offset                       float64
	EstimatedError, MaximumError float64
}

// Bond is a bonded network device.
type Bond struct {
	Name string
	// Mode is the kernel's word, for example "active-backup" or "802.3ad".
	Mode string
	// Slaves counts all that it was given, Up those whose link is up.
	Slaves, Up int
}

// Multipath is a device-mapper multipath map.
type Multipath struct {
	Name string
	// Active counts the paths whose device runs, Failed all others.
	Active, Failed int
}

// MemoryController is one memory controller's count of errors since its driver was loaded.
type MemoryController struct {
	Name                       string
	Correctable, Uncorrectable float64
}

// Certificate is a file with one or more X.509 certificates.
type Certificate struct {
	Path string
	// NotAfter is when the first of them ends.
	NotAfter time.Time
}

// Filesystem is a file system that is mounted on the machine.
type Filesystem struct {
	MountPoint string
	// Type is the kind of file system.
	Type     string
	ReadOnly bool
	// Stalled tells that the file system gives no answer now. Its numbers are not known then.
	Stalled bool
	// Size, Free and Available are bytes; Available is what programs without privileges can use.
	Size, Free, Available cluster.Number
	// Inodes and InodesFree are not known on file systems that do not count them.
	Inodes, InodesFree cluster.Number
}

// KVM tells whether the machine can run guests on its hardware.
type KVM struct {
	// Device tells that /dev/kvm exists.
	Device bool
	// Nested tells whether guests may run guests of their own; nil where the kernel does not tell.
	Nested *bool
}

// NetworkDeviceKinds are all kinds of network devices that are read.
func NetworkDeviceKinds() []string { return []string{"physical", "bond", "bridge"} }

// NetworkDevice is a network device with hardware behind it, a bond or a bridge.
type NetworkDevice struct {
	Name string
	// Kind is one of NetworkDeviceKinds.
	Kind string
	// Enabled tells that the administrator has it up, Carrier that there is a link.
	Enabled, Carrier bool
	// Speed is in bits per second, not known where there is no link or no such thing.
	Speed                         cluster.Number
	ReceiveBytes, TransmitBytes   float64
	ReceiveErrors, TransmitErrors float64
	ReceiveDrops, TransmitDrops   float64
}
