package cluster

import "time"

// HostSigns is what Prometheus holds about whether a host lives.
type HostSigns struct {
	Host string `json:"host"`
	// SeenAt is when its exporter was last read, zero for never.
	SeenAt time.Time `json:"seen_at,omitzero"`
	// HeartbeatAgeSeconds is how old its newest stamp on shared storage is, as the others see it.
	HeartbeatAgeSeconds Number `json:"heartbeat_age_seconds,omitzero"`
}

// HostWatch is what has become of a host, and the words of the witnesses that say so: yes, no, refused or unknown.
type HostWatch struct {
	Host    string `json:"host"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	// Since is when it became so, HeardAt when exporter or libvirt last gave a sign of life; zero for never.
	Since      time.Time `json:"since,omitzero"`
	HeardAt    time.Time `json:"heard_at,omitzero"`
	Exporter   string    `json:"exporter"`
	Libvirt    string    `json:"libvirt"`
	Heartbeat  string    `json:"heartbeat"`
	Neighbours string    `json:"neighbours"`
	Power      string    `json:"power"`
}
