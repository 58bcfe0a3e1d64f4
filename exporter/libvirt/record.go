package libvirt

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

// fromRecord translates a record of the bulk call. The names of its parameters are documented with
// virConnectGetAllDomainStats.
func fromRecord(rec virt.Record) found {
	p := parser{found: found{id: rec.ID, control: rec.UUID == controlUUID, vm: stat.VM{UUID: rec.UUID, Name: rec.Name}}}
	rec.Each(p.take)
	return p.finish()
}

// parser builds one domain from parameters that come one by one.
type parser struct {
	found
	state, reason int
	// slots is how many vCPUs the VM may ever have; vcpus are those, plugged in or not.
	slots int
	vcpus []vcpuSlot
	// asked tells that the VM's process was asked for its memory, rss that it answered.
	asked, rss bool
}

// vcpuSlot is a place for a vCPU. Only one that is plugged in has a state.
type vcpuSlot struct {
	stat.VCPU
	on bool
}

func (p *parser) take(name string, v virt.Value) {
	group, rest, _ := strings.Cut(name, ".")
	switch group {
	case "state":
		if rest == "state" {
			p.state = int(v.Uint())
		} else {
			p.reason = int(v.Uint())
		}
	case "cpu":
		p.cpu(rest, v)
	case "balloon":
		p.asked = true
		p.balloon(rest, v)
	case "vcpu":
		if rest == "maximum" {
			p.slots = int(v.Uint())
		} else if i, field, ok := indexed(rest); ok {
			p.vcpu(i, field, v)
		}
	case "block":
		if i, field, ok := indexed(rest); ok {
			p.block(i, field, v)
		}
	case "net":
		if i, field, ok := indexed(rest); ok {
			p.net(i, field, v)
		}
	}
}

// most is how many entries of a list are taken from a daemon: no VM has as many.
const most = 1 << 12

// indexed splits "3.rd.bytes" into 3 and "rd.bytes".
func indexed(s string) (i int, field string, ok bool) {
	number, field, ok := strings.Cut(s, ".")
	i, err := strconv.Atoi(number)
	return i, field, ok && err == nil && i >= 0 && i < most
}

// grown is the slice with room for the index.
func grown[T any](s []T, i int) []T {
	for len(s) <= i {
		var zero T
		s = append(s, zero)
	}
	return s
}

func (p *parser) cpu(field string, v virt.Value) {
	switch field {
	case "time":
		p.vm.CPUSeconds = nanoseconds(v.Uint())
	case "user":
		p.vm.UserSeconds = nanoseconds(v.Uint())
	case "system":
		p.vm.SystemSeconds = nanoseconds(v.Uint())
	}
}

func (p *parser) balloon(field string, v virt.Value) {
	m := &p.vm.Memory
	switch field {
	case "maximum":
		m.Maximum = kibibytes(v.Uint())
	case "current":
		m.Balloon = kibibytes(v.Uint())
	case "unused":
		m.Unused = kibibytes(v.Uint())
	case "usable":
		m.Usable = kibibytes(v.Uint())
	case "available":
		m.Available = kibibytes(v.Uint())
	case "disk_caches":
		m.Caches = kibibytes(v.Uint())
	case "swap_in":
		m.SwapIn = kibibytes(v.Uint())
	case "swap_out":
		m.SwapOut = kibibytes(v.Uint())
	case "major_fault":
		m.MajorFaults = number(v.Uint())
	case "minor_fault":
		m.MinorFaults = number(v.Uint())
	case "hugetlb_pgalloc":
		m.HugePages = number(v.Uint())
	case "hugetlb_pgfail":
		m.HugePagesFailed = number(v.Uint())
	case "last-update":
		m.Told = cluster.Number{Value: float64(v.Uint()), Known: v.Uint() > 0}
	case "rss":
		m.RSS, p.rss = kibibytes(v.Uint()), true
	}
}

func (p *parser) vcpu(i int, field string, v virt.Value) {
	p.vcpus = grown(p.vcpus, i)
	c := &p.vcpus[i]
	c.Number = i
	switch field {
	case "state":
		c.on = true
	case "time":
		c.Seconds, c.on = nanoseconds(v.Uint()), true
	case "delay":
		c.Steal = nanoseconds(v.Uint())
	case "wait":
		c.Wait = nanoseconds(v.Uint())
	case "halted":
		halted := v.Uint() != 0
		c.Halted = &halted
	}
}

func (p *parser) block(i int, field string, v virt.Value) {
	p.vm.Blocks = grown(p.vm.Blocks, i)
	b := &p.vm.Blocks[i]
	switch field {
	case "name":
		b.Device = v.Text()
	case "rd.bytes":
		b.ReadBytes = number(v.Uint())
	case "wr.bytes":
		b.WriteBytes = number(v.Uint())
	case "rd.reqs":
		b.ReadRequests = number(v.Uint())
	case "wr.reqs":
		b.WriteRequests = number(v.Uint())
	case "rd.times":
		b.ReadSeconds = nanoseconds(v.Uint())
	case "wr.times":
		b.WriteSeconds = nanoseconds(v.Uint())
	case "fl.reqs":
		b.FlushRequests = number(v.Uint())
	case "fl.times":
		b.FlushSeconds = nanoseconds(v.Uint())
	case "capacity":
		b.CapacityBytes = number(v.Uint())
	case "allocation":
		b.AllocationBytes = number(v.Uint())
	case "physical":
		b.PhysicalBytes = number(v.Uint())
	case "errors":
		b.Errors = number(v.Uint())
	}
}

func (p *parser) net(i int, field string, v virt.Value) {
	p.vm.Interfaces = grown(p.vm.Interfaces, i)
	n := &p.vm.Interfaces[i]
	n.Index = i
	switch field {
	case "rx.bytes":
		n.ReceiveBytes = number(v.Uint())
	case "tx.bytes":
		n.TransmitBytes = number(v.Uint())
	case "rx.pkts":
		n.ReceivePackets = number(v.Uint())
	case "tx.pkts":
		n.TransmitPackets = number(v.Uint())
	case "rx.errs":
		n.ReceiveErrors = number(v.Uint())
	case "tx.errs":
		n.TransmitErrors = number(v.Uint())
	case "rx.drop":
		n.ReceiveDrops = number(v.Uint())
	case "tx.drop":
		n.TransmitDrops = number(v.Uint())
	}
}

// finish leaves out what says nothing: vCPUs that are not plugged in, devices without a name, and the
// counters that libvirt still lists of a VM's last life.
func (p *parser) finish() found {
	f := p.found
	f.state(libvirt.DomainState(p.state), p.reason)
	if !f.vm.State.Active() {
		// It needs room for as many as it may have.
		return found{id: f.id, control: f.control, left: f.left, arriving: f.arriving,
			vm: stat.VM{UUID: f.vm.UUID, Name: f.vm.Name, State: f.vm.State, Reason: f.vm.Reason, VCPUs: max(p.slots, len(p.vcpus))}}
	}
	for _, c := range p.vcpus {
		if c.on {
			f.vm.PerVCPU = append(f.vm.PerVCPU, c.VCPU)
		}
	}
	f.vm.VCPUs = len(f.vm.PerVCPU)
	if f.vm.VCPUs == 0 {
		f.vm.VCPUs = max(p.slots, len(p.vcpus))
	}
	named := f.vm.Blocks[:0]
	for _, b := range f.vm.Blocks {
		if b.Device != "" {
			named = append(named, b)
		}
	}
	f.vm.Blocks = named
	if p.asked {
		f.vm.Answers = &p.rss // libvirt leaves it out, as all that it has to ask for
	}
	return f
}

func number(v uint64) cluster.Number { return cluster.Known(float64(v)) }

func nanoseconds(v uint64) cluster.Number { return cluster.Known(float64(v) / 1e9) }

func kibibytes(v uint64) cluster.Number { return cluster.Known(float64(v) * 1024) }

// numberIf is not known where a call did not set its field.
func numberIf(set bool, v uint64) cluster.Number {
	if !set {
		return cluster.Number{}
	}
	return number(v)
}
