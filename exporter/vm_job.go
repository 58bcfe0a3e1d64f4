package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func vmJob() family {
	const source, last = "GetJobStats; in the background", "GetJobStats COMPLETED, on the host that the VM arrived at"
	backup := gauge("evenkeel_vm_backup_in_progress", "", "Whether a backup of the VM is under way (1) or not (0).", source, kvm, "vm")
	snapshot := gauge("evenkeel_vm_snapshot_in_progress", "", "Whether a snapshot of the VM is being taken, reverted to or deleted (1) or not (0).", source, kvm, "vm")
	migrating := gauge("evenkeel_vm_migrating", "", "Whether the VM is being migrated away (1) or not (0).", source, kvm, "vm")
	job := info("evenkeel_vm_job_info", "What is being done to the VM; on Xen that is unknown; 1.", source, everywhere, "vm", "operation")
	numbers := []vmNumber{
		{gauge("evenkeel_vm_job_elapsed_seconds", "seconds", "How long the job has been running.", source, everywhere, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.ElapsedSeconds })},
		{gauge("evenkeel_vm_job_total_bytes", "bytes", "Bytes that the job has to handle.", source, kvm, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.TotalBytes })},
		{gauge("evenkeel_vm_job_processed_bytes", "bytes", "Bytes that the job has handled.", source, kvm, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.ProcessedBytes })},
		{gauge("evenkeel_vm_job_remaining_bytes", "bytes", "Bytes that the job has left.", source, kvm, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.RemainingBytes })},
		{gauge("evenkeel_vm_job_bytes_per_second", "bytes", "How fast the job copies memory.", source, kvm, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.BytesPerSecond })},
		{gauge("evenkeel_vm_job_dirty_bytes_per_second", "bytes", "How fast the guest makes work for the migration anew.", source, kvm, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.DirtyBytesPerSecond })},
		{gauge("evenkeel_vm_job_expected_downtime_seconds", "seconds", "How long the guest would stand still if the migration ended now.", source, kvm, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.ExpectedDowntimeSeconds })},
		{gauge("evenkeel_vm_job_iteration", "", "Which pass over the memory the migration is at.", source, kvm, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.Iteration })},
		{gauge("evenkeel_vm_job_throttle_ratio", "", "By how much the guest's CPUs are slowed down so that the migration ends.", source, kvm, "vm"), ofJob(func(j *stat.Job) cluster.Number { return j.ThrottleRatio })},
		{gauge("evenkeel_vm_arrived_timestamp_seconds", "seconds", "When the VM was seen to have come to its host by migration, in seconds since 1970.", "DomainEventLifecycleRegister, on the host that the VM arrived at", kvm, "vm"), ofArrival(func(m *stat.Migration) cluster.Number { return m.At })},
		{gauge("evenkeel_vm_last_migration_seconds", "seconds", "How long the migration took that brought the VM to its host.", last, kvm, "vm"), ofArrival(func(m *stat.Migration) cluster.Number { return m.Seconds })},
		{gauge("evenkeel_vm_last_migration_downtime_seconds", "seconds", "How long the guest stood still in the migration that brought it to its host.", last, kvm, "vm"), ofArrival(func(m *stat.Migration) cluster.Number { return m.DowntimeSeconds })},
		{gauge("evenkeel_vm_last_migration_transferred_bytes", "bytes", "What was sent in the migration that brought the VM to its host.", last, kvm, "vm"), ofArrival(func(m *stat.Migration) cluster.Number { return m.TransferredBytes })},
	}
	done := gauge("evenkeel_vm_block_job_done_ratio", "", "How far a copy, commit or pull of a disk has come.", "GetBlockJobInfo; in the background", kvm, "vm", "device", "type")
	f := vmNumbers("vm_job", "", numbers...)
	each := f.write
	f.metrics = append(f.metrics, backup, snapshot, migrating, job, done)
	f.write = func(h *stat.Host, out *page) {
		each(h, out)
		for _, v := range h.VMs {
			if v.Jobs {
				out.put(backup, boolean(doing(v.Job, "backup")), v.UUID)
				out.put(snapshot, boolean(doing(v.Job, "snapshot", "snapshot-revert", "snapshot-delete")), v.UUID)
				out.put(migrating, boolean(doing(v.Job, "migration-out")), v.UUID)
			}
			if v.Job != nil {
				out.put(job, 1, v.UUID, v.Job.Operation)
			}
			for _, b := range v.BlockJobs {
				if b.Total > 0 {
					out.put(done, b.Done/b.Total, v.UUID, b.Device, b.Type)
				}
			}
		}
	}
	return f
}

func doing(j *stat.Job, operations ...string) bool {
	for _, o := range operations {
		if j != nil && j.Operation == o {
			return true
		}
	}
	return false
}

func ofJob(of func(*stat.Job) cluster.Number) func(*stat.VM) cluster.Number {
	return func(v *stat.VM) cluster.Number {
		if v.Job == nil {
			return cluster.Number{}
		}
		return of(v.Job)
	}
}

func ofArrival(of func(*stat.Migration) cluster.Number) func(*stat.VM) cluster.Number {
	return func(v *stat.VM) cluster.Number {
		if v.Arrival == nil {
			return cluster.Number{}
		}
		return of(v.Arrival)
	}
}
