package cluster

import "time"

// HostSigns is what Prometheus holds about whether a host lives.
type HostSigns struct {
	Host string `json:"host"`
	// SeenAt is when its exporter was last read, zero for never.
	SeenAt time.Time `json:"seen_at,omitzero"`
	// HeartbeatAgeSeconds is how old its newest stamp on shared storage is, as the others see it.
	HeartbeatAgeSeconds Number `json:"heartbeat_age_seconds,omitzero"`
	// NeighbourAgeSeconds is how long ago it last answered any of the hosts that ask it, a week for longer and for never.
	NeighbourAgeSeconds Number `json:"neighbour_age_seconds,omitzero"`
	// LivedAt is when others last saw it live, by its stamp or by an answer; zero for never.
	LivedAt time.Time `json:"lived_at,omitzero"`
	// Busy are the VMs there for which a job is under way, a migration for example.
	Busy []string `json:"busy,omitempty"`
}

// GuestSigns is what Prometheus holds about whether the guest of a running VM lives.
type GuestSigns struct {
	VM string `json:"vm"`
	// Answers tells that its agent answered when it was asked last, Connected that something in the guest has the agent's channel open.
	Answers   bool `json:"answers"`
	Connected bool `json:"connected"`
	// SilentSeconds is for how long the agent has left questions unanswered.
	SilentSeconds Number `json:"silent_seconds,omitzero"`
	// DiskRequests and PacketsSent are how many there were within the window that was asked for.
	DiskRequests Number `json:"disk_requests,omitzero"`
	PacketsSent  Number `json:"packets_sent,omitzero"`
	// VCPUs are the shares of that window in which each vCPU ran or waited for a CPU, by its number.
	VCPUs []float64 `json:"vcpus,omitempty"`
}

// HostWatch is what has become of a host, and the words of the witnesses that say so: yes, no, refused or unknown.
type HostWatch struct {
	Host    string `json:"host"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	// Since is when it became so, HeardAt when exporter or libvirt last gave a sign of life; zero for never.
	Since   time.Time `json:"since,omitzero"`
	HeardAt time.Time `json:"heard_at,omitzero"`
	// LookedAt is when it was judged last: what is old says nothing of now.
	LookedAt   time.Time `json:"looked_at,omitzero"`
	Exporter   string    `json:"exporter"`
	Libvirt    string    `json:"libvirt"`
	Heartbeat  string    `json:"heartbeat"`
	Neighbours string    `json:"neighbours"`
	Power      string    `json:"power"`
}

// VMSeen is what a host said of one VM that it has, running or not.
type VMSeen struct {
	VM    string  `json:"vm"`
	Name  string  `json:"name"`
	State VMState `json:"state"`
	// Reason is libvirt's word for why it is in that state, for example "crashed" or "ioerror"; empty where it gives none.
	Reason string `json:"reason,omitempty"`
}

// LastWord is what a host said last of one VM.
type LastWord struct {
	Host string    `json:"host"`
	At   time.Time `json:"at"`
	// ActiveAt is when it last said that the VM runs or is paused there, zero for never.
	ActiveAt time.Time `json:"active_at,omitzero"`
	// Left tells that it said since that the VM went to another host, or does not know it any more.
	Left bool `json:"left,omitempty"`
	// ReadAt is when the host's exporter was read last, BusyAt when that said last that a job was under way for the VM there; zero for
	// never.
	ReadAt time.Time `json:"read_at,omitzero"`
	// LivedAt is when the host last gave any sign of life, to whomever.
	LivedAt time.Time `json:"lived_at,omitzero"`
	BusyAt  time.Time `json:"busy_at,omitzero"`
	VMSeen
}

// Roll is what a host said of all its VMs, and when.
type Roll struct {
	Host string    `json:"host"`
	At   time.Time `json:"at"`
	// VMs are sorted by UUID.
	VMs []VMSeen `json:"vms"`
}

// Of returns what the host said of the VM: that it is off where it did not name it.
func (r Roll) Of(vm string) VMSeen {
	for _, v := range r.VMs {
		if v.VM == vm {
			return v
		}
	}
	return VMSeen{VM: vm, State: VMShutoff}
}

// Captured is something that was kept of a VM before it was reset.
type Captured struct {
	// Name is that of a file, for example "screen.png"; Type its media type.
	Name string `json:"name"`
	Type string `json:"type"`
	Data []byte `json:"data"`
}
