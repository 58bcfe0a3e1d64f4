package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
)

const (
	// dirtyPause is the shortest time between two samples on a host. QEMU hashes 512 pages of each GiB
	// twice for one, about 2 ms of CPU; dirtyPausePerGiB keeps large VMs below half a percent of a CPU.
	dirtyPause       = 5 * time.Second
	dirtyPausePerGiB = 500 * time.Millisecond
	// dirtyPeriod is how long QEMU watches the pages, in seconds; dirtyLimit bounds a sample.
	dirtyPeriod = 1
	dirtyLimit  = 10 * time.Second
	// dirtyLeast is the memory that a VM must have: QEMU samples no smaller piece, and says 0.
	dirtyLeast = 128 << 20
)

// errBusy tells that something is being done to the VM, so that it is left alone.
var errBusy = errors.New("a job is under way")

// sampleDirtyRate samples the VM whose sample is the oldest, if that is due. There is never more than
// one sample at a time on a host, and none of a VM that migrates or has another job.
func (r *Reader) sampleDirtyRate(ctx context.Context) {
	if r.slow.Status().ReadOnly {
		return
	}
	uuid, memory := r.dirtyNext()
	if uuid == "" {
		return
	}
	start := time.Now()
	var rate *stat.DirtyRate
	err := r.call(ctx, r.slow, dirtyLimit, uuid, "sample a dirty rate", func(c *libvirt.Connect, dom *libvirt.Domain) error {
		got, err := sampleOne(c, dom)
		rate = got
		return err
	})
	r.mu.Lock()
	m, ok := r.memory[uuid]
	if ok {
		m.dirtyAt = start
		if err == nil {
			m.dirty = rate
		}
	}
	r.mu.Unlock()
	if errors.Is(err, errBusy) || gone(err) || unsupported(err) {
		err = nil
	}
	r.note(reading("vm_dirty_rate", start, err))
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(memory / (1 << 30) * float64(dirtyPausePerGiB))):
	}
}

// dirtyNext is the VM that is due, and its memory in bytes.
func (r *Reader) dirtyNext() (uuid string, memory float64) {
	var oldest time.Time
	for _, id := range r.running() {
		r.mu.Lock()
		m, ok := r.memory[id]
		if ok && time.Since(m.dirtyAt) > r.opts.DirtyRateEvery && m.now.Memory.Maximum.Value >= dirtyLeast && m.job == nil &&
			(uuid == "" || m.dirtyAt.Before(oldest)) {
			uuid, memory, oldest = id, m.now.Memory.Maximum.Value, m.dirtyAt
		}
		r.mu.Unlock()
	}
	return uuid, memory
}

func sampleOne(c *libvirt.Connect, dom *libvirt.Domain) (*stat.DirtyRate, error) {
	// Once more, and as late as can be: a migration may have begun since.
	job, err := dom.GetJobStats(0)
	if err != nil {
		return nil, fmt.Errorf("look at a job: %w", err)
	}
	if fromJob(job) != nil {
		return nil, errBusy
	}
	if err := dom.StartDirtyRateCalc(dirtyPeriod, libvirt.DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING); err != nil {
		return nil, fmt.Errorf("start sampling: %w", err)
	}
	for range 20 {
		time.Sleep((dirtyPeriod*time.Second + 500*time.Millisecond) / 5)
		records, err := c.GetAllDomainStats([]*libvirt.Domain{dom}, libvirt.DOMAIN_STATS_DIRTYRATE, libvirt.CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
		if err != nil {
			return nil, fmt.Errorf("read the sample: %w", err)
		}
		rate := dirtyRate(records)
		for i := range records {
			_ = records[i].Domain.Free() // it frees our handle only; nothing can be done about a failure
		}
		if rate != nil {
			return rate, nil
		}
	}
	return nil, errors.New("QEMU does not end the sample")
}

// dirtyRate is nil while the sample is being taken.
func dirtyRate(records []libvirt.DomainStats) *stat.DirtyRate {
	if len(records) != 1 || records[0].DirtyRate == nil {
		return nil
	}
	d := records[0].DirtyRate
	if !d.CalcStatusSet || d.CalcStatus != int(libvirt.DOMAIN_DIRTYRATE_MEASURED) || !d.MegabytesPerSecondSet {
		return nil
	}
	return &stat.DirtyRate{BytesPerSecond: float64(d.MegabytesPerSecond) * (1 << 20), At: float64(time.Now().UnixMilli()) / 1000}
}
