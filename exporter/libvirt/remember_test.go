package libvirt

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

func testReader() *Reader {
	r := New("test:///default", Options{Log: slog.New(slog.DiscardHandler)})
	r.inv.host = stat.Host{Name: "h1", Memory: &stat.HostMemory{Total: 1 << 30}}
	return r
}

func in(id uint, s libvirt.DomainState, reason int) found {
	f := found{id: id, vm: stat.VM{UUID: "1111", Name: "web1"}}
	f.state(s, reason)
	return f
}

// places tells where a reading has the VM: "here", "also", or nowhere.
func places(h stat.Host) string {
	switch {
	case len(h.VMs) == 1 && len(h.Also) == 0:
		return "here"
	case len(h.Also) == 1 && len(h.VMs) == 0:
		return "also " + h.Also[0].State.String()
	}
	return "nowhere"
}

// While a VM migrates both hosts hold it. Each must say by itself whether it is the one.
func TestWhereAVMIsWhileItMigrates(t *testing.T) {
	const running, migrated = int(libvirt.DOMAIN_RUNNING_BOOTED), int(libvirt.DOMAIN_SHUTOFF_MIGRATED)
	paused := in(0, libvirt.DOMAIN_PAUSED, int(libvirt.DOMAIN_PAUSED_MIGRATION))
	at := func(f found, id uint) found { f.id = id; return f }
	type step struct {
		f    found
		want string
	}
	for name, steps := range map[string][]step{
		"the source": {{in(7, libvirt.DOMAIN_RUNNING, running), "here"}, {at(paused, 7), "here"}, {in(0, libvirt.DOMAIN_SHUTOFF, migrated), "also shutoff"}},
		"the target": {{at(in(0, libvirt.DOMAIN_PAUSED, int(libvirt.DOMAIN_PAUSED_STARTING_UP)), 9), "also paused"}, {at(paused, 9), "also paused"},
			{in(9, libvirt.DOMAIN_RUNNING, int(libvirt.DOMAIN_RUNNING_MIGRATED)), "here"}, {in(9, libvirt.DOMAIN_PAUSED, int(libvirt.DOMAIN_PAUSED_USER)), "here"}},
		"a target that had the definition": {{in(0, libvirt.DOMAIN_SHUTOFF, int(libvirt.DOMAIN_SHUTOFF_SHUTDOWN)), "here"}, {at(paused, 3), "also paused"},
			{in(3, libvirt.DOMAIN_RUNNING, int(libvirt.DOMAIN_RUNNING_MIGRATED)), "here"}},
		"paused by its owner": {{in(4, libvirt.DOMAIN_PAUSED, int(libvirt.DOMAIN_PAUSED_USER)), "here"}},
	} {
		r := testReader()
		for i, s := range steps {
			if got := places(r.assemble([]found{s.f}, node{}, stat.Reading{})); got != s.want {
				t.Errorf("%s, step %d: it is %s, want %s", name, i, got, s.want)
			}
		}
	}
	// Xen's target: a domain that does not run and has no definition.
	r := testReader()
	f := in(0, libvirt.DOMAIN_SHUTOFF, 0)
	f.arriving = true
	f.id = 5
	if got := places(r.assemble([]found{f}, node{}, stat.Reading{})); got != "also paused" {
		t.Errorf("on Xen's target it is %s", got)
	}
}

func TestTheControlDomainIsTheHostsAndNoVM(t *testing.T) {
	r := testReader()
	f := found{control: true, vm: stat.VM{UUID: controlUUID, Name: "Domain-0", VCPUs: 2, CPUSeconds: cluster.Known(5)}}
	h := r.assemble([]found{f}, node{}, stat.Reading{})
	if len(h.VMs) != 0 || h.Control == nil || h.Control.VCPUs != 2 || h.Control.CPUSeconds != cluster.Known(5) {
		t.Errorf("%+v", h)
	}
}

// Another life of a VM has nothing of the last one but what was counted.
func TestASecondLifeStartsAnew(t *testing.T) {
	r := testReader()
	alive := in(7, libvirt.DOMAIN_RUNNING, 0)
	r.assemble([]found{alive}, node{}, stat.Reading{})
	m := r.memory["1111"]
	m.dirty, m.job, m.jobAt, m.events[0], m.arrival, m.read = &stat.DirtyRate{BytesPerSecond: 1}, &stat.Job{}, time.Now(), 3, &stat.Migration{}, m.changes
	if v := r.assemble([]found{alive}, node{}, stat.Reading{}).VMs[0]; v.DirtyRate == nil || v.Job == nil || v.Arrival == nil || v.Events[0] != 3 {
		t.Errorf("%+v", v)
	}
	again := in(8, libvirt.DOMAIN_RUNNING, 0)
	if v := r.assemble([]found{again}, node{}, stat.Reading{}).VMs[0]; v.DirtyRate != nil || v.Job != nil || v.Arrival != nil || v.Events[0] != 3 || m.read == m.changes {
		t.Errorf("%+v", v)
	}
	if v := r.assemble([]found{in(0, libvirt.DOMAIN_SHUTOFF, 0)}, node{}, stat.Reading{}).VMs[0]; v.Jobs || v.Events[0] != 3 {
		t.Errorf("%+v", v)
	}
}

func TestWhatIsKnownOfAVMOutlivesItForAWhile(t *testing.T) {
	r := testReader()
	r.assemble([]found{in(7, libvirt.DOMAIN_RUNNING, 0)}, node{}, stat.Reading{})
	r.assemble(nil, node{}, stat.Reading{})
	if len(r.memory) != 1 {
		t.Error("it was forgotten at once")
	}
	r.memory["1111"].seen = time.Now().Add(-forgetAfter - time.Second)
	r.assemble(nil, node{}, stat.Reading{})
	if len(r.memory) != 0 {
		t.Error("it is remembered for good")
	}
}

func TestPatienceFollowsThePaceWithinBounds(t *testing.T) {
	for usual, want := range map[time.Duration]time.Duration{0: patienceFloor, 10 * time.Millisecond: patienceFloor, 400 * time.Millisecond: 600 * time.Millisecond, 10 * time.Second: 12 * time.Second} {
		p := pace{usual: usual}
		if got := p.patience(); got != want {
			t.Errorf("readings of %s are waited for %s, want %s", usual, got, want)
		}
	}
	var p pace
	for range 100 {
		p.took(200 * time.Millisecond)
	}
	if p.usual < 190*time.Millisecond || p.usual > 210*time.Millisecond {
		t.Errorf("the usual time is %s", p.usual)
	}
	p.took(time.Hour) // a process that was stopped for an hour
	if p.patience() > patienceFloor {
		t.Errorf("after one that hung the patience is %s", p.patience())
	}
	for range 30 { // the host has become slow for good
		p.took(3 * time.Second)
	}
	if p.patience() < 3*time.Second {
		t.Errorf("after many slow ones the patience is %s", p.patience())
	}
}

// Nobody who was not asked may pass for one who does not answer.
func TestOnlyWhoWasAskedCanFailToAnswer(t *testing.T) {
	yes, no := true, false
	f := func(uuid string, answers *bool) found { return found{vm: stat.VM{UUID: uuid, Answers: answers}} }
	got := merge([]found{f("a", nil), f("b", nil), f("c", nil)}, []found{f("a", &no), f("b", &yes)}, map[string]*bool{"a": &yes, "c": &yes})
	for i, want := range []*bool{&no, &yes, &yes} {
		if got[i].vm.Answers != want {
			t.Errorf("%s answers: %v", got[i].vm.UUID, got[i].vm.Answers)
		}
	}
}

func TestAJobIsReadForWhatItDoes(t *testing.T) {
	if j := fromJob(&libvirt.DomainJobInfo{Type: libvirt.DOMAIN_JOB_NONE}); j != nil {
		t.Errorf("no job is %+v", j)
	}
	j := fromJob(&libvirt.DomainJobInfo{Type: libvirt.DOMAIN_JOB_UNBOUNDED, OperationSet: true, Operation: libvirt.DOMAIN_JOB_OPERATION_MIGRATION_OUT, TimeElapsedSet: true, TimeElapsed: 1500,
		MemDirtyRateSet: true, MemDirtyRate: 10, MemPageSizeSet: true, MemPageSize: 4096, AutoConvergeThrottleSet: true, AutoConvergeThrottle: 20})
	if j.Operation != "migration-out" || j.ElapsedSeconds != cluster.Known(1.5) || j.DirtyBytesPerSecond != cluster.Known(40960) || j.ThrottleRatio != cluster.Known(.2) || j.RemainingBytes.Known {
		t.Errorf("%+v", j)
	}
	for op := range libvirt.DOMAIN_JOB_OPERATION_SNAPSHOT_DELETE + 1 {
		if int(op) >= len(stat.JobOperations()) {
			t.Errorf("operation %d has no name", op)
		}
	}
	if j := fromJob(&libvirt.DomainJobInfo{Type: libvirt.DOMAIN_JOB_BOUNDED, OperationSet: true, Operation: 99}); j.Operation != "unknown" {
		t.Errorf("%+v", j)
	}
}

func TestEveryReasonIsReadable(t *testing.T) {
	if got := virt.Reason(libvirt.DOMAIN_PAUSED, int(libvirt.DOMAIN_PAUSED_IOERROR)); got != "ioerror" {
		t.Error(got)
	}
	for _, reason := range []int{-1, 99} {
		if got := virt.Reason(libvirt.DOMAIN_RUNNING, reason); got != "" {
			t.Errorf("reason %d is %q", reason, got)
		}
	}
}

// The library hands out empty records beside the one that was asked for.
func TestAGuestsAnswersAddUp(t *testing.T) {
	var a stat.Agent
	for _, i := range []libvirt.DomainGuestInfo{
		{OS: &libvirt.DomainGuestInfoOS{IDSet: true, ID: "debian", NameSet: true, Name: "Debian", KernelReleaseSet: true, KernelRelease: "6.1"}, Load: &libvirt.DomainGuestInfoLoad{}},
		{OS: &libvirt.DomainGuestInfoOS{}, FileSystems: []libvirt.DomainGuestInfoFileSystem{{MountPoint: "/", TotalBytesSet: true, TotalBytes: 100, UsedBytes: 40}, {MountPoint: "/", TotalBytesSet: true}, {MountPoint: "/proc"}}},
		{OS: &libvirt.DomainGuestInfoOS{}, Load: &libvirt.DomainGuestInfoLoad{Load1MSet: true, Load1M: .5}},
	} {
		takeGuest(&a, &i)
	}
	if a.OSID != "debian" || a.OSName != "Debian" || a.Kernel != "6.1" || len(a.Filesystems) != 1 || a.Filesystems[0].Used != 40 || a.Load1 != cluster.Known(.5) || a.Load5.Known {
		t.Errorf("%+v", a)
	}
}

func TestAnInventoryThatCannotBeRenewedIsToldToBeOld(t *testing.T) {
	r := testReader()
	r.note(stat.Reading{Collector: "storage_pool"}, stat.Reading{Collector: "vm_job"})
	failed := func() map[string]string {
		m := map[string]string{}
		for _, n := range r.assemble(nil, node{}, stat.Reading{Collector: stat.ReadDomains}).Readings {
			m[n.Collector] = n.Err
		}
		return m
	}
	r.stale = errors.New("no answer")
	if m := failed(); m["storage_pool"] != "no answer" || m["vm_job"] != "" || m[stat.ReadDomains] != "" {
		t.Errorf("%v", m)
	}
	r.stale = nil
	if m := failed(); m["storage_pool"] != "" {
		t.Errorf("%v", m)
	}
}
