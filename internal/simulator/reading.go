package simulator

import (
	"context"
	"fmt"
	"math"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Reader reads one host of a live cluster as the exporter reads a hypervisor, so that what is published
// of it bears the very names that real hosts have.
type Reader struct {
	live *Live
	host string
}

// Reader returns the reader of a host.
func (l *Live) Reader(host string) Reader { return Reader{l, host} }

// URI says where it reads.
func (r Reader) URI() string { return "simulated://" + r.host }

// Read returns the host as it is. A host that has failed or sleeps is an error.
func (r Reader) Read(context.Context) (stat.Host, error) {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	return r.live.cluster.reading(r.host)
}

// reading is what the host says. The others leave their stamps and answer all the time while they are up.
func (c *Cluster) reading(name string) (stat.Host, error) {
	at := c.hostAt(name)
	if at < 0 || c.hosts[at].state == cluster.HostDown || c.hosts[at].state == cluster.HostStandby {
		return stat.Host{}, fmt.Errorf("%s does not answer", name)
	}
	h := c.hosts[at]
	up := c.now.Sub(c.scenario.Start).Seconds()
	memory := int64(h.Memory)
	for _, v := range c.vms {
		if v.at == at {
			memory -= int64(float64(v.Memory) * v.MemoryUse)
		}
	}
	r := stat.Host{
		Name: h.name, UUID: uuid(c.scenario.Seed, h.name), Local: true, Hypervisor: "QEMU", HypervisorVersion: "simulated", LibvirtVersion: "simulated",
		CPU:    stat.HostCPU{Arch: "x86_64", Vendor: "simulated", Model: "simulated", Compat: "simulated", Logical: int(math.Round(h.Cores))},
		Time:   &stat.CPUTime{User: h.used, System: h.own, Idle: max(0, h.Cores*up-h.used-h.own)},
		Memory: &stat.HostMemory{Total: int64(h.Memory), Free: cluster.Known(float64(memory)), Available: cluster.Known(float64(memory))},
		Machine: &stat.Machine{Hostname: h.name, Pressure: &stat.Pressure{
			CPU: &stat.Stalls{Some: stat.Stall{Seconds: h.stalled}}}},
		Readings: []stat.Reading{{Collector: stat.ReadDomains}, {Collector: stat.ReadDefinitions}, {Collector: stat.ReadHost}},
	}
	for _, n := range h.Networks {
		r.Networks = append(r.Networks, stat.Network{Name: n, Shared: true})
	}
	for _, s := range h.Storage {
		r.Pools = append(r.Pools, stat.Pool{Name: s, Type: "netfs", Path: "/" + s, Source: "simulated:/" + s, Shared: true, State: "running"})
	}
	r.Heartbeat, r.Neighbours = &stat.Heartbeat{AgeSeconds: cluster.Known(0)}, &stat.Neighbours{}
	for i, other := range c.hosts {
		if i != at && other.state != cluster.HostDown && other.state != cluster.HostStandby {
			r.Heartbeat.Peers = append(r.Heartbeat.Peers, stat.Peer{Host: other.name})
			r.Neighbours.Peers = append(r.Neighbours.Peers, stat.Neighbour{Host: other.name})
		}
	}
	for _, v := range c.vms {
		if v.at == at || v.moving != nil && v.moving.to == at {
			r.VMs = append(r.VMs, v.reading(at))
		}
	}
	return r, nil
}

// reading is what one of its hosts says of a VM. On the host that it is coming to it waits, paused, and
// has used nothing.
func (v *vm) reading(at int) stat.VM {
	used := cluster.Known(float64(v.Memory) * v.MemoryUse)
	r := stat.VM{
		UUID: v.id, Name: v.name, State: cluster.VMRunning, VCPUs: v.VCPUs, Jobs: true, CPUSeconds: cluster.Known(v.got - v.began),
		Memory: stat.VMMemory{Maximum: cluster.Known(float64(v.Memory)), Balloon: cluster.Known(float64(v.Memory)),
			Unused: cluster.Known(float64(v.Memory) - used.Value), RSS: used},
		DirtyRate:  &stat.DirtyRate{BytesPerSecond: float64(v.DirtyRate)},
		Definition: v.definition(),
	}
	stolen := v.stolen - v.beganStolen
	if v.at != at {
		r.State, r.CPUSeconds, stolen = cluster.VMPaused, cluster.Known(0), 0
	}
	for i := range v.VCPUs {
		r.PerVCPU = append(r.PerVCPU, stat.VCPU{Number: i, Seconds: cluster.Known(r.CPUSeconds.Value / float64(v.VCPUs)), Steal: cluster.Known(stolen / float64(v.VCPUs))})
	}
	if m := v.last; m != nil && v.at == at {
		r.Arrival = &stat.Migration{Seconds: cluster.Known(m.Seconds), DowntimeSeconds: cluster.Known(m.DowntimeSeconds), TransferredBytes: cluster.Known(float64(m.TransferredBytes))}
	}
	if v.moving != nil {
		r.Job = &stat.Job{Operation: "migration-out"}
		if v.at != at {
			r.Job.Operation = "migration-in"
		}
	}
	return r
}

func (v *vm) definition() *stat.Definition {
	d := &stat.Definition{Machine: "simulated", MemoryBytes: float64(v.Memory), VCPUs: v.VCPUs, Settings: stat.Settings{Tags: sorted(v.Tags)}}
	for i, s := range sorted(v.Storage) {
		d.Disks = append(d.Disks, stat.Disk{Type: "file", Device: fmt.Sprintf("vd%c", 'a'+i), Path: fmt.Sprintf("/%s/%s.qcow2", s, v.name), Format: "qcow2", Pool: s, Shared: true})
	}
	for i, n := range sorted(v.Networks) {
		d.NICs = append(d.NICs, stat.NIC{Index: i, MAC: fmt.Sprintf("52:54:00:%s:%s:%02x", v.id[0:2], v.id[2:4], i), Network: n})
	}
	return d
}
