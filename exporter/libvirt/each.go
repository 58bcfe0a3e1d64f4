package libvirt

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
)

// eachAtOnce is how many domains are read side by side; a daemon answers five calls of one connection
// at a time.
const eachAtOnce = 4

// readEach reads all domains by calls for each of them, for drivers without a bulk call (libxl). Some
// of these calls wait for whatever is being done to the domain, a migration for one: what such a domain
// told before that is taken, and the connection that the call hangs on is left to it.
func (r *Reader) readEach(ctx context.Context) ([]found, error) {
	start, patience := time.Now(), r.patience(ctx)
	var all []found
	late := false
	err := r.fast.Call(ctx, "list domains", func(c *libvirt.Connect) error {
		doms, err := c.ListAllDomains(0)
		if err != nil {
			return err
		}
		got, wasLate := r.readAll(ctx, patience, doms)
		all, late = got, wasLate
		return nil
	})
	if err != nil {
		return nil, err // the call may still be writing
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pace.took(time.Since(start))
	if late {
		r.heldUp++
		r.fast.Renew()
	}
	return all, nil
}

// question is what one domain has told so far.
type question struct {
	mu    sync.Mutex
	found found
	gone  bool
	// whole tells that it told everything, ended that nothing more will come.
	whole, ended bool
}

func (q *question) tell(f found, whole bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.found, q.whole = f, whole
}

func (q *question) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
}

// readAll tells whether a domain was late, too.
func (r *Reader) readAll(ctx context.Context, patience time.Duration, doms []libvirt.Domain) (all []found, late bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	questions, slots := make([]question, len(doms)), make(chan struct{}, eachAtOnce)
	var wg sync.WaitGroup
	for i := range doms {
		questions[i].found = r.asLastKnown(&doms[i])
		wg.Go(func() {
			defer func() { _ = doms[i].Free() }() // it frees our handle only; nothing can be done about a failure
			defer questions[i].end()
			select {
			case slots <- struct{}{}:
				r.readOne(&doms[i], &questions[i])
				<-slots
			case <-ctx.Done():
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	for i := range questions {
		q := &questions[i]
		q.mu.Lock()
		f := q.found
		late = late || !q.ended
		if !q.whole {
			no := false
			f.vm.Answers = &no
		}
		if f.vm.UUID != "" && !q.gone {
			all = append(all, f)
		}
		q.mu.Unlock()
	}
	return all, late
}

// readOne reads one domain. What the driver does not give stays unknown. What needs the domain's
// attention comes last, and not at all while an earlier question of that kind has not come back.
func (r *Reader) readOne(dom *libvirt.Domain, q *question) {
	f, err := identify(dom)
	if err != nil || !r.begin(f.vm.UUID, askingState) {
		return
	}
	defer r.end(f.vm.UUID, askingState)
	if err := readState(dom, &f); err != nil {
		q.mu.Lock()
		q.gone = gone(err)
		q.mu.Unlock()
		return
	}
	if !f.vm.State.Active() {
		q.tell(f, true)
		return
	}
	q.tell(f, false)
	if !r.begin(f.vm.UUID, askingDevices) {
		return
	}
	defer r.end(f.vm.UUID, askingDevices)
	yes := true
	f.vm.Answers = &yes
	eachDevice(dom, r.definitionOf(f.vm.UUID), &f.vm)
	q.tell(f, true)
}

// asking is what a domain is being asked for. What has not come back is not asked for again.
type asking struct{ uuid, what string }

const askingState, askingDevices, askingAgent = "state", "devices", "agent"

func (r *Reader) begin(uuid, what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asking[asking{uuid, what}] {
		return false
	}
	r.asking[asking{uuid, what}] = true
	return true
}

func (r *Reader) end(uuid, what string) {
	r.mu.Lock()
	delete(r.asking, asking{uuid, what})
	r.mu.Unlock()
}

// asLastKnown is what is told of a domain until it answers.
func (r *Reader) asLastKnown(dom *libvirt.Domain) found {
	f, err := identify(dom)
	if err != nil {
		return found{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, ok := r.memory[f.vm.UUID]; ok && m.home && m.id == f.id {
		f.vm.State, f.vm.Reason, f.vm.VCPUs = m.now.State, m.now.Reason, m.now.VCPUs
	}
	return f
}

func (r *Reader) definitionOf(uuid string) stat.Definition {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, ok := r.memory[uuid]; ok && m.definition != nil {
		return *m.definition
	}
	return stat.Definition{}
}

// readState reads what the hypervisor tells without the domain's attention.
func readState(dom *libvirt.Domain, f *found) error {
	state, reason, err := dom.GetState()
	if err != nil {
		return fmt.Errorf("read the state of domain %s: %w", f.vm.UUID, err)
	}
	f.state(state, reason)
	info, err := dom.GetInfo()
	if err != nil {
		return fmt.Errorf("read domain %s: %w", f.vm.UUID, err)
	}
	vm := &f.vm
	vm.VCPUs, vm.Memory.Maximum = int(info.NrVirtCpu), kibibytes(info.MaxMem)
	if !vm.State.Active() {
		if persistent, err := dom.IsPersistent(); err == nil {
			// A domain that neither runs nor has a definition is one that is being received.
			f.arriving = !persistent
		}
		return nil
	}
	vm.CPUSeconds, vm.Memory.Balloon = nanoseconds(info.CpuTime), kibibytes(info.Memory)
	eachVCPU(dom, vm)
	return nil
}

func eachVCPU(dom *libvirt.Domain, vm *stat.VM) {
	vcpus, err := dom.GetVcpus()
	if err != nil {
		return
	}
	for _, v := range vcpus {
		vm.PerVCPU = append(vm.PerVCPU, stat.VCPU{Number: int(v.Number), Seconds: nanoseconds(v.CpuTime)})
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
func signed(set bool, v int64) cluster.Number { return numberIf(set && v >= 0, uint64(max(v, 0))) }

func signedSeconds(set bool, v int64) cluster.Number {
	n := signed(set, v)
	n.Value /= 1e9
	return n
}
