package libvirt

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
)

const (
	// eachAtOnce is how many domains are read side by side; a daemon answers five calls of one
	// connection at a time.
	eachAtOnce = 4
	// eachLimit is how long the reading of all domains waits for those that do not answer.
	eachLimit = 4 * time.Second
)

// readEach reads all domains by calls for each of them, for drivers without a bulk call (libxl). A
// domain that has not answered in time is told to be there, and that it does not answer.
func (r *Reader) readEach(ctx context.Context) ([]found, error) {
	var all []found
	err := r.fast.Call(ctx, "list domains", func(c *libvirt.Connect) error {
		doms, err := c.ListAllDomains(0)
		if err != nil {
			return err
		}
		all = r.readAll(ctx, doms)
		return nil
	})
	return all, err
}

// answer is what came of reading one domain, which may be later than anybody waits for it.
type answer struct {
	place int
	found found
	err   error
}

func (r *Reader) readAll(ctx context.Context, doms []libvirt.Domain) []found {
	ctx, cancel := context.WithTimeout(ctx, eachLimit)
	defer cancel()
	all := make([]found, len(doms))
	answers, slots, asked := make(chan answer, len(doms)), make(chan struct{}, eachAtOnce), 0
	for i := range doms {
		all[i] = r.silent(&doms[i])
		if !r.begin(ctx, all[i].vm.UUID, slots) {
			_ = doms[i].Free() // it frees our handle only; nothing can be done about a failure
			continue
		}
		asked++
		go func() {
			f, err := readOne(&doms[i], r.definitionOf(all[i].vm.UUID))
			_ = doms[i].Free() // it frees our handle only; nothing can be done about a failure
			r.end(all[i].vm.UUID)
			<-slots
			answers <- answer{i, f, err}
		}()
	}
	late := map[int]bool{}
	for range asked {
		select {
		case a := <-answers:
			if a.err == nil {
				all[a.place] = a.found
			}
			late[a.place] = gone(a.err)
		case <-ctx.Done():
		}
	}
	kept := all[:0]
	for i := range all {
		if !late[i] {
			kept = append(kept, all[i])
		}
	}
	return kept
}

// silent is what is told of a domain that does not answer.
func (r *Reader) silent(d *libvirt.Domain) found {
	f, _ := identify(d)
	no := false
	f.vm.Answers = &no
	return f
}

// begin waits for a slot. It is false for a domain whose last call has not come back: asking it again
// would hang as well.
func (r *Reader) begin(ctx context.Context, uuid string, slots chan<- struct{}) bool {
	r.mu.Lock()
	busy := r.asking[uuid]
	r.mu.Unlock()
	if busy || uuid == "" {
		return false
	}
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	r.mu.Lock()
	r.asking[uuid] = true
	r.mu.Unlock()
	return true
}

func (r *Reader) end(uuid string) {
	r.mu.Lock()
	delete(r.asking, uuid)
	r.mu.Unlock()
}

func (r *Reader) definitionOf(uuid string) stat.Definition {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, ok := r.memory[uuid]; ok && m.definition != nil {
		return *m.definition
	}
	return stat.Definition{}
}

// readOne reads one domain. What the driver does not give stays unknown.
func readOne(dom *libvirt.Domain, d stat.Definition) (found, error) {
	f, err := identify(dom)
	if err != nil {
		return f, err
	}
	state, reason, err := dom.GetState()
	if err != nil {
		return f, fmt.Errorf("read the state of domain %s: %w", f.vm.UUID, err)
	}
	f.state(state, reason)
	info, err := dom.GetInfo()
	if err != nil {
		return f, fmt.Errorf("read domain %s: %w", f.vm.UUID, err)
	}
	yes := true
	vm := &f.vm
	vm.VCPUs, vm.Answers = int(info.NrVirtCpu), &yes
	vm.Memory.Maximum = kibibytes(true, info.MaxMem)
	if !vm.State.Active() {
		vm.Answers = nil
		if persistent, err := dom.IsPersistent(); err == nil {
			// A domain that neither runs nor has a definition is one that is being received.
			f.arriving = !persistent
		}
		return f, nil
	}
	vm.CPUSeconds = nanoseconds(true, info.CpuTime)
	vm.Memory.Balloon = kibibytes(true, info.Memory)
	eachVCPU(dom, vm)
	eachDevice(dom, d, vm)
	return f, nil
}

func eachVCPU(dom *libvirt.Domain, vm *stat.VM) {
	vcpus, err := dom.GetVcpus()
	if err != nil {
		return
	}
	for _, v := range vcpus {
		vm.PerVCPU = append(vm.PerVCPU, stat.VCPU{Number: int(v.Number), Seconds: nanoseconds(true, v.CpuTime)})
	}
}

func eachDevice(dom *libvirt.Domain, d stat.Definition, vm *stat.VM) {
	for _, k := range d.Disks {
		b, err := dom.BlockStatsFlags(k.Device, 0)
		if err != nil {
			continue
		}
		vm.Blocks = append(vm.Blocks, stat.Block{Device: k.Device,
			ReadBytes: signed(b.RdBytesSet, b.RdBytes), WriteBytes: signed(b.WrBytesSet, b.WrBytes),
			ReadRequests: signed(b.RdReqSet, b.RdReq), WriteRequests: signed(b.WrReqSet, b.WrReq),
			ReadSeconds: signedSeconds(b.RdTotalTimesSet, b.RdTotalTimes), WriteSeconds: signedSeconds(b.WrTotalTimesSet, b.WrTotalTimes),
			FlushRequests: signed(b.FlushReqSet, b.FlushReq), FlushSeconds: signedSeconds(b.FlushTotalTimesSet, b.FlushTotalTimes),
			Errors: signed(b.ErrsSet, b.Errs)})
	}
	for _, n := range d.NICs {
		if n.MAC == "" {
			continue
		}
		// By its MAC address, because the device's name changes with every start and migration.
		s, err := dom.InterfaceStats(n.MAC)
		if err != nil {
			continue
		}
		vm.Interfaces = append(vm.Interfaces, stat.Interface{Index: n.Index,
			ReceiveBytes: signed(s.RxBytesSet, s.RxBytes), TransmitBytes: signed(s.TxBytesSet, s.TxBytes),
			ReceivePackets: signed(s.RxPacketsSet, s.RxPackets), TransmitPackets: signed(s.TxPacketsSet, s.TxPackets),
			ReceiveErrors: signed(s.RxErrsSet, s.RxErrs), TransmitErrors: signed(s.TxErrsSet, s.TxErrs),
			ReceiveDrops: signed(s.RxDropSet, s.RxDrop), TransmitDrops: signed(s.TxDropSet, s.TxDrop)})
	}
}

// signed is a counter of libvirt's older calls, in which -1 stands for what is not known.
func signed(set bool, v int64) cluster.Number { return number(set && v >= 0, uint64(max(v, 0))) }

func signedSeconds(set bool, v int64) cluster.Number {
	return nanoseconds(set && v >= 0, uint64(max(v, 0)))
}
