// Package stat holds what an exporter knows of a host and its VMs as plain values, whatever the
// hypervisor was and however it was asked. It reads nothing and decides nothing.
package stat

import (
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Host is one reading of one hypervisor.
type Host struct {
	// Name and UUID are the hypervisor's own.
	Name, UUID string
	// Local tells that it is the machine that the exporter runs on.
	Local bool
	// Hypervisor is libvirt's word for the driver, for example "QEMU" or "Xen".
	Hypervisor, HypervisorVersion, LibvirtVersion string
	CPU                                           HostCPU
	// Time and Memory are what the hypervisor says of the host; nil where it does not.
	Time   *CPUTime
	Memory *HostMemory
	// Control is the privileged domain that a hypervisor of type 1 runs its host software in (Xen's
	// Domain-0); nil where the host itself does that. It is part of the host and no VM.
	Control *Control
	// KVM tells whether the hypervisor offers hardware virtualisation to its guests.
	KVM *bool
	// Networks are what a guest's interface can be plugged into: libvirt's networks and the host's
	// bridges.
	Networks []Network
	Pools    []Pool
	VMs      []VM
	// Also are VMs that this host holds beside the host that has them: what comes in by a migration,
	// what one left behind, and what another host of the same exporter runs.
	Also []VM
	// Connection is how the exporter reaches the hypervisor.
	Connection Connection
	// Readings say what was tried to be read, and with what success.
	Readings []Reading
	// Machine is what the host's kernel says; nil for a host that is read from elsewhere.
	Machine *Machine
	// Heartbeat is the storage heartbeat; nil where there is none.
	Heartbeat *Heartbeat
	// Neighbours are the other hosts that this one asks; nil where it asks none.
	Neighbours *Neighbours
}

// Connection is the state of the connection to a hypervisor.
type Connection struct {
	// ReadOnly tells that what changes anything, even a setting, is refused to the exporter.
	ReadOnly bool
	// Opened counts how often the connection was opened, Hanging the calls that outlived their deadline.
	Opened, Hanging int
	// Slow counts readings that a domain held up, so that the others were read without it.
	Slow int
	// InventoryAge is how old the oldest definition in use is.
	InventoryAge time.Duration
}

// HostCPU is what a host's CPUs are.
type HostCPU struct {
	Arch, Vendor, Model string
	// Compat is equal on hosts whose guests see the same CPU. A host that does not tell its CPU has a
	// group of its own.
	Compat string
	// Usable are the CPU models that a guest can have on the host, sorted.
	Usable []string
	// Logical counts the CPUs that vCPUs can run on; the others its make-up, 0 where it is not told.
	Logical, Sockets, Cores, Threads, NUMANodes int
	// Hertz is the nominal clock rate, 0 where it is not told.
	Hertz float64
}

// CPUTime is a host's CPU time since boot in seconds, summed over its CPUs.
type CPUTime struct{ User, System, Idle, IOWait float64 }

// Control is the privileged domain of a hypervisor of type 1.
type Control struct {
	CPUSeconds, MemoryBytes cluster.Number
	VCPUs                   int
}

// HostMemory is a host's memory in bytes.
type HostMemory struct {
	Total int64
	// Available is what programs could have without swapping.
	Free, Available cluster.Number
}

// Network is something that a guest's interface can be plugged into.
type Network struct {
	Name string
	// Shared tells that the name leads outside the host, to a network that others reach too. The
	// networks that libvirt makes for one host alone (NAT, routed, isolated) are not.
	Shared bool
}

// Pool is a storage pool of a host.
type Pool struct {
	Name, Type, Path string
	// Source is where the pool's content comes from (server and directory, or the name of the
	// volume group, image pool or device); empty for a directory of the host.
	Source string
	// Shared tells that the pool's kind is one that several hosts can reach (netfs, rbd, …).
	Shared bool
	// State is one of PoolStates.
	State                           string
	Capacity, Allocation, Available cluster.Number
}

// PoolStates are all states of a storage pool.
func PoolStates() []string {
	return []string{"inactive", "building", "running", "degraded", "inaccessible"}
}

// VM is one reading of one VM.
type VM struct {
	UUID, Name string
	State      cluster.VMState
	// Reason is libvirt's word on how the VM came into its state, empty where it is not known.
	Reason string
	// Persistent tells that the VM's definition outlives it, Autostart that it starts with its host.
	Persistent, Autostart *bool
	// Answers tells whether the VM's own process on the host answered; nil where there is none to ask.
	Answers *bool
	VCPUs   int
	// CPUSeconds, UserSeconds and SystemSeconds count the host's CPU time spent on the VM.
	CPUSeconds, UserSeconds, SystemSeconds cluster.Number
	PerVCPU                                []VCPU
	Memory                                 VMMemory
	Blocks                                 []Block
	Interfaces                             []Interface
	// Definition is nil until the VM's definition has been read.
	Definition *Definition
	// Job is what is being done to the VM, nil when nothing is. Jobs tells whether that could be seen.
	Job  *Job
	Jobs bool
	// BlockJobs are copies, commits and pulls of its disks that are under way.
	BlockJobs []BlockJob
	// Arrival is the migration that brought the VM here; nil when none did that is known.
	Arrival *Migration
	// DirtyRate is nil until it has been sampled.
	DirtyRate *DirtyRate
	// Agent is nil when the VM has no guest agent's channel, or nobody may ask.
	Agent *Agent
	// Events counts what befell the VM since the exporter saw it first, by the names of EventNames, as
	// many as the hypervisor tells of.
	Events []float64
	// IOErrors counts I/O errors by device, since the exporter saw the VM first.
	IOErrors map[string]float64
}

// VCPU is one virtual CPU; what the hypervisor does not tell is not known.
type VCPU struct {
	Number int
	// Seconds is time in which it ran, Steal in which it was ready and waited for a CPU, Wait in which
	// it waited for I/O.
	Seconds, Steal, Wait cluster.Number
	// Halted tells that the guest has nothing to do on it now.
	Halted *bool
}

// VMMemory is a VM's memory in bytes; what the balloon driver did not tell is not known.
type VMMemory struct {
	// Maximum is the configured size, Balloon what the balloon leaves to the guest now.
	Maximum, Balloon cluster.Number
	// Unused and Usable are the guest's own words: free, and available without swapping.
	Unused, Usable, Available cluster.Number
	// Caches is what the guest keeps for its disks.
	Caches cluster.Number
	// SwapIn and SwapOut count bytes, the faults and huge pages events.
	SwapIn, SwapOut, MajorFaults, MinorFaults cluster.Number
	HugePages, HugePagesFailed                cluster.Number
	// Told is when the guest last told its numbers, in seconds since 1970.
	Told cluster.Number
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
	// Errors are requests that failed, where the hypervisor counts them.
	Errors cluster.Number
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

// Definition is what a VM's definition says that matters for moving, restarting or judging it.
type Definition struct {
	Machine string
	// CPUMode is libvirt's word ("host-passthrough", "custom", …), empty for the default CPU.
	CPUMode, CPUModel string
	// CPUCompat is the group of hosts that it can run on; empty means any.
	CPUCompat string
	// MemoryBytes and VCPUs are the configured size.
	MemoryBytes float64
	VCPUs       int
	// HugePageBytes is the size of the pages behind the VM's memory, 0 for ordinary ones.
	HugePageBytes float64
	Disks         []Disk
	NICs          []NIC
	// Immovable says why it cannot be migrated live; empty when nothing in its definition forbids it.
	Immovable []string
	// AgentChannel tells that the VM has a channel for the guest agent.
	AgentChannel bool
	// AgentConnected tells that something in the guest has opened that channel.
	AgentConnected bool
	// BalloonStats tells that the guest is asked for its memory's numbers; nil without a balloon.
	BalloonStats *bool
	Settings     Settings
	Resources    Resources
	// Snapshots counts the VM's snapshots.
	Snapshots cluster.Number
}

// Settings are what the VM's owner wrote for evenkeel into its metadata.
type Settings struct {
	Automation, RestartPriority string
	Tags                        []string
	// Problem says what of it cannot be used, empty when nothing is wrong.
	Problem string
}

// Resources are a VM's shares and limits; what is not limited is not known.
type Resources struct {
	// Shares weigh the VM's CPU against its neighbours', in the hypervisor's own unit.
	Shares cluster.Number
	// LimitCores is what all its vCPUs together may use.
	LimitCores                       cluster.Number
	HardLimit, SoftLimit, Guaranteed cluster.Number
	SwapHardLimit                    cluster.Number
}

// Disk is one disk of a VM's definition.
type Disk struct {
	// Type is how the host gets at it: "file", "block", "volume" or "network".
	Type                 string
	Device, Path, Format string
	// Alias is the hypervisor's own name for the device while the VM runs.
	Alias string
	// Pool is the storage pool that the path lies in, empty when it lies in none.
	Pool string
	// Shared tells that several hosts can reach it by its kind.
	Shared bool
	// Depth is how many images stand behind it (1 for an overlay on a base), not known when the
	// definition does not list them.
	Depth cluster.Number
}

// NIC is one network interface of a VM's definition.
type NIC struct {
	Index        int
	MAC, Network string
}

// Job is an operation on a whole VM that is under way.
type Job struct {
	// Operation is one of JobOperations.
	Operation                                         string
	ElapsedSeconds, RemainingBytes, ProcessedBytes    cluster.Number
	TotalBytes, DirtyBytesPerSecond, BytesPerSecond   cluster.Number
	ExpectedDowntimeSeconds, Iteration, ThrottleRatio cluster.Number
}

// JobOperations are all operations that a job can be.
func JobOperations() []string {
	return []string{"unknown", "start", "save", "restore", "migration-in", "migration-out", "snapshot", "snapshot-revert", "dump", "backup", "snapshot-delete"}
}

// BlockJob is an operation on one disk that is under way.
type BlockJob struct {
	Device string
	// Type is libvirt's word: pull, copy, commit, active-commit, backup.
	Type string
	// Done and Total are in the job's own unit, mostly bytes.
	Done, Total float64
}

// Migration is what a finished migration cost.
type Migration struct {
	Seconds, DowntimeSeconds, TransferredBytes cluster.Number
	// At is when it was seen to have arrived, in seconds since 1970.
	At cluster.Number
}

// DirtyRate is a sample of how fast a VM writes to its memory.
type DirtyRate struct {
	BytesPerSecond float64
	// At is when it was taken, in seconds since 1970.
	At float64
}

// Agent is what is known of and through a VM's guest agent.
type Agent struct {
	// Answers is nil until it has been asked.
	Answers *bool
	// SilentSeconds is for how long it has left questions unanswered, from the first of them on.
	SilentSeconds                     cluster.Number
	Hostname, OSID, OSName, OSVersion string
	Kernel                            string
	Filesystems                       []GuestFilesystem
	Load1, Load5, Load15              cluster.Number
}

// GuestFilesystem is a file system inside a VM.
type GuestFilesystem struct {
	Mountpoint  string
	Total, Used float64
}

// EventNames are the events that are counted, in the order of VM.Events.
func EventNames() []string {
	return []string{"started", "stopped", "crashed", "suspended", "resumed", "migrated-in",
		"panicked", "rebooted", "watchdog", "io-error", "memory-failure", "agent-connected", "agent-disconnected", "control-error"}
}

// LifecycleEvents is how many of EventNames, the first ones, a driver gives that tells of nothing but
// the domains' life cycle.
const LifecycleEvents = 6

// Readings that several collectors take their numbers from.
const (
	// ReadDomains is the bulk reading of all VMs.
	ReadDomains = "domains"
	// ReadDefinitions is the reading of the VMs' definitions.
	ReadDefinitions = "definitions"
	// ReadHost is the reading of what the host is.
	ReadHost = "host"
)

// Reading says how the attempt to read one collector's numbers went.
type Reading struct {
	Collector string
	Took      time.Duration
	// Err is empty when all went well, also when there was nothing to be read.
	Err string
}
