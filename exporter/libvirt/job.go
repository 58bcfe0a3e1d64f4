package libvirt

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
)

const (
	// jobEvery is how often it is looked what is being done to the VMs, blockJobTimes how many of those
	// looks pass between two at the disks.
	jobEvery      = 5 * time.Second
	blockJobTimes = 6
	// jobLimit bounds a look at one VM.
	jobLimit = 3 * time.Second
)

// watchJobs looks what is being done to each VM. It leaves out those whose process does not answer.
func (r *Reader) watchJobs(ctx context.Context) {
	r.mu.Lock()
	r.looks++
	disks := r.looks%blockJobTimes == 0
	r.mu.Unlock()
	start := time.Now()
	var failed error
	for _, uuid := range r.running() {
		if ctx.Err() != nil {
			return
		}
		if err := r.watchJob(ctx, uuid, disks); err != nil && !gone(err) && !unsupported(err) {
			failed = err
		}
	}
	r.note(reading("vm_job", start, failed))
}

// running lists the VMs that can be asked for something: they run, and their process answers.
func (r *Reader) running() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var uuids []string
	for uuid, m := range r.memory {
		if m.home && m.now.State.Active() && m.seen.Equal(r.lastSeen) && (m.now.Answers == nil || *m.now.Answers) {
			uuids = append(uuids, uuid)
		}
	}
	return uuids
}

func (r *Reader) watchJob(ctx context.Context, uuid string, disks bool) error {
	r.mu.Lock()
	m := r.memory[uuid]
	arrived := m != nil && m.arrived
	var d stat.Definition
	if m != nil && m.definition != nil {
		d = *m.definition
	}
	r.mu.Unlock()
	var job *stat.Job
	var arrival *stat.Migration
	var blocks []stat.BlockJob
	err := r.call(ctx, r.slow, jobLimit, uuid, "look at a job", func(_ *libvirt.Connect, dom *libvirt.Domain) error {
		info, err := dom.GetJobStats(0)
		if err != nil {
			return err
		}
		job = fromJob(info)
		if arrived {
			arrival = readArrival(dom)
			arrival.At = cluster.Known(float64(time.Now().UnixMilli()) / 1000)
		}
		if disks {
			blocks = readBlockJobs(dom, d)
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.memory[uuid]
	if !ok {
		return nil
	}
	if err != nil {
		m.job, m.jobAt = nil, time.Time{}
		return err
	}
	m.job, m.jobAt = job, time.Now()
	if arrived {
		m.arrived, m.arrival = false, arrival
	}
	if disks {
		m.blockJobs = blocks
	}
	return nil
}

// fromJob returns nil when nothing is being done.
func fromJob(i *libvirt.DomainJobInfo) *stat.Job {
	if i.Type != libvirt.DOMAIN_JOB_BOUNDED && i.Type != libvirt.DOMAIN_JOB_UNBOUNDED {
		return nil
	}
	operations := stat.JobOperations()
	job := &stat.Job{
		Operation:      operations[0],
		ElapsedSeconds: milliseconds(i.TimeElapsedSet, i.TimeElapsed),
		TotalBytes:     numberIf(i.DataTotalSet, i.DataTotal), ProcessedBytes: numberIf(i.DataProcessedSet, i.DataProcessed),
		RemainingBytes: numberIf(i.DataRemainingSet, i.DataRemaining), BytesPerSecond: numberIf(i.MemBpsSet, i.MemBps),
		ExpectedDowntimeSeconds: milliseconds(i.DowntimeSet, i.Downtime), Iteration: numberIf(i.MemIterationSet, i.MemIteration),
	}
	if i.OperationSet && int(i.Operation) < len(operations) {
		job.Operation = operations[i.Operation]
	}
	if i.MemDirtyRateSet && i.MemPageSizeSet {
		job.DirtyBytesPerSecond = cluster.Known(float64(i.MemDirtyRate * i.MemPageSize))
	}
	if i.AutoConvergeThrottleSet {
		job.ThrottleRatio = cluster.Known(float64(i.AutoConvergeThrottle) / 100)
	}
	return job
}

// readArrival reads what the migration cost that brought the VM here, as far as that is told.
func readArrival(dom *libvirt.Domain) *stat.Migration {
	i, err := dom.GetJobStats(libvirt.DOMAIN_JOB_STATS_COMPLETED | libvirt.DOMAIN_JOB_STATS_KEEP_COMPLETED)
	if err != nil || i.Type != libvirt.DOMAIN_JOB_COMPLETED || i.OperationSet && i.Operation != libvirt.DOMAIN_JOB_OPERATION_MIGRATION_IN {
		return &stat.Migration{}
	}
	return &stat.Migration{Seconds: milliseconds(i.TimeElapsedSet, i.TimeElapsed), DowntimeSeconds: milliseconds(i.DowntimeSet, i.Downtime),
		TransferredBytes: numberIf(i.DataProcessedSet, i.DataProcessed)}
}

func readBlockJobs(dom *libvirt.Domain, d stat.Definition) []stat.BlockJob {
	names := map[libvirt.DomainBlockJobType]string{
		libvirt.DOMAIN_BLOCK_JOB_TYPE_PULL: "pull", libvirt.DOMAIN_BLOCK_JOB_TYPE_COPY: "copy", libvirt.DOMAIN_BLOCK_JOB_TYPE_COMMIT: "commit",
		libvirt.DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT: "active-commit", libvirt.DOMAIN_BLOCK_JOB_TYPE_BACKUP: "backup",
	}
	var jobs []stat.BlockJob
	for _, k := range d.Disks {
		i, err := dom.GetBlockJobInfo(k.Device, 0)
		if err != nil {
			continue
		}
		if name := names[i.Type]; name != "" {
			jobs = append(jobs, stat.BlockJob{Device: k.Device, Type: name, Done: float64(i.Cur), Total: float64(i.End)})
		}
	}
	return jobs
}

func milliseconds(set bool, v uint64) cluster.Number {
	n := numberIf(set, v)
	n.Value /= 1000
	return n
}
