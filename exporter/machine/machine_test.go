package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
	"golang.org/x/tools/txtar"
)

// recorded unpacks a tree of testdata and returns a reader of it whose clock and file systems answer.
func recorded(t testing.TB, name string) *Reader {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := New(Options{Proc: dir + "/proc", Sys: dir + "/sys", Dev: dir + "/dev"})
	r.adjtimex = func(b *unix.Timex) (int, error) {
		*b = unix.Timex{Status: unix.STA_NANO, Offset: -2500, Esterror: 300, Maxerror: 70000}
		return 0, nil
	}
	r.filesystems.statfs = func(path string, b *unix.Statfs_t) error {
		*b = unix.Statfs_t{Bsize: 4096, Frsize: 1024, Blocks: 100, Bfree: 50, Bavail: 40, Files: 10, Ffree: 9}
		return nil
	}
	return r
}

// errs are the errors of a reading by collector.
func errs(m stat.Machine) map[string]string {
	found := map[string]string{}
	for _, r := range m.Readings {
		if r.Err != "" {
			found[r.Collector] = r.Err
		}
	}
	return found
}

func TestAHypervisorIsReadWhole(t *testing.T) {
	yes, checks := true, 7.0
	want := stat.Machine{
		Hostname: "node1.example.net",
		CPU:      &stat.MachineCPU{User: 60, Nice: 1.5, System: 30, Idle: 5000, IOWait: 7, IRQ: .8, SoftIRQ: .9, Steal: .1, Guest: 40.5},
		Memory: &stat.MachineMemory{Total: 24684096 << 10, Free: 20063580 << 10, SwapTotal: 4194304 << 10, SwapFree: 4194300 << 10,
			Available: cluster.Known(20600728 << 10), Dirty: cluster.Known(152 << 10), HugePages: []stat.HugePages{
				{Size: 1 << 30, Reserved: cluster.Known(0)}, {Size: 2 << 20, Total: 1024, Free: 512, Surplus: 2, Reserved: cluster.Known(16)}}},
		NUMA: []stat.NUMANode{{Node: 0, CPUs: 8, Total: 13592792 << 10, Free: 8972328 << 10,
			HugePages: []stat.HugePages{{Size: 2 << 20, Total: 1024, Free: 512, Surplus: 2}}}, {Node: 1, Total: 11091304 << 10, Free: 11091252 << 10}},
		Load: &stat.Load{One: .42, Five: 1.5, Fifteen: 2.25, Running: 3, Blocked: 1},
		Pressure: &stat.Pressure{CPU: &stat.Stalls{Some: stat.Stall{Seconds: 3275.71579, Ratio: .0525}},
			Memory: &stat.Stalls{Some: stat.Stall{Seconds: 125.284485}, Full: &stat.Stall{Seconds: 68.533879, Ratio: .125}},
			IO:     &stat.Stalls{Some: stat.Stall{Seconds: 2, Ratio: .01}, Full: &stat.Stall{Seconds: 1}}},
		Time:       &stat.MachineTime{Boot: cluster.Known(1795355188), Clock: &stat.Clock{Synchronised: true, Offset: -2.5e-6, EstimatedError: 300e-6, MaximumError: .07}},
		Bonds:      []stat.Bond{{Name: "bond0", Mode: "802.3ad", Slaves: 3, Up: 1}},
		Multipaths: []stat.Multipath{{Name: "mpatha", Active: 2, Failed: 2}},
		EDAC:       []stat.MemoryController{{Name: "mc0", Correctable: 17, Uncorrectable: 1}}, MachineChecks: &checks,
		KVM: &stat.KVM{Device: true, Nested: &yes},
		NetworkDevices: []stat.NetworkDevice{
			{Name: "bond0", Kind: "bond", Enabled: true, Carrier: true, Speed: cluster.Known(1e10), ReceiveBytes: 1107198264, TransmitBytes: 3005243, ReceiveErrors: 1, ReceiveDrops: 2, TransmitErrors: 3, TransmitDrops: 4},
			{Name: "br0", Kind: "bridge", Enabled: true, ReceiveBytes: 23136, TransmitBytes: 936, ReceiveDrops: 7},
			{Name: "eno1", Kind: "physical", Enabled: true, Carrier: true, Speed: cluster.Known(1e10), ReceiveBytes: 1107198264, TransmitBytes: 3005243, ReceiveErrors: 1, ReceiveDrops: 2, TransmitErrors: 3, TransmitDrops: 4},
			{Name: "eno2", Kind: "physical"},
		},
	}
	got := recorded(t, "hypervisor").Read(t.Context())
	if len(errs(got)) > 0 {
		t.Error(errs(got))
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(stat.Machine{}, "Readings"), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTheMachineHasNotIsNoError(t *testing.T) {
	r := recorded(t, "bare")
	r.adjtimex = func(*unix.Timex) (int, error) { return 0, unix.EPERM }
	r.filesystems.ask()
	m := r.Read(t.Context())
	if len(errs(m)) > 0 {
		t.Error(errs(m))
	}
	if len(m.Readings) != len(r.all()) {
		t.Errorf("%d readings of %d parts", len(m.Readings), len(r.all()))
	}
	if m.NUMA != nil || m.Pressure != nil || m.Bonds != nil || m.Multipaths != nil || m.EDAC != nil || m.MachineChecks != nil || m.Filesystems != nil || m.NetworkDevices != nil || m.Time.Clock != nil {
		t.Errorf("found things that are not there: %+v", m)
	}
	if m.KVM.Device || m.KVM.Nested != nil || m.Hostname == "" || m.CPU == nil || m.Load == nil {
		t.Errorf("%+v", m)
	}
}

func TestBrokenFilesAreNamedAndHideNoOthers(t *testing.T) {
	files := map[string]string{
		"host_cpu": "proc/stat", "host_memory": "proc/meminfo", "host_numa": "node0/meminfo", "host_load": "proc/loadavg",
		"host_pressure": "proc/pressure/cpu", "host_time": "proc/stat", "host_bond": "bond0", "host_multipath": "dm-1",
		"host_edac": "ce_count", "host_mce": "proc/interrupts", "host_filesystem": "proc/1/mountinfo", "host_kvm": "nested", "host_network_device": "proc/net/dev",
	}
	for tree, differs := range map[string]map[string]string{
		"garbage": {"host_bond": "bonding/mode", "host_multipath": "", "host_numa": "node1/meminfo"},
		// The multipath map lost its name, mc0 its second count.
		"truncated": {"host_edac": "mc0/ue_count"},
	} {
		t.Run(tree, func(t *testing.T) {
			r := recorded(t, tree)
			r.filesystems.ask()
			m := r.Read(t.Context())
			got := errs(m)
			for collector, file := range files {
				if f, ok := differs[collector]; ok {
					file = f
				}
				if e := got[collector]; (file == "") != (e == "") || !strings.Contains(e, file) {
					t.Errorf("%s: error %q should name %q", collector, e, file)
				}
			}
			if tree == "truncated" && (len(m.EDAC) != 1 || m.EDAC[0].Name != "mc1") {
				t.Errorf("the whole memory controller is missing: %+v", m.EDAC)
			}
			if m.Time == nil || m.Time.Clock == nil {
				t.Error("the clock is hidden by a broken file beside it")
			}
		})
	}
}

func TestAMissingKernelIsAnError(t *testing.T) {
	dir := t.TempDir()
	m := New(Options{Proc: dir + "/proc", Sys: dir + "/sys"}).Read(t.Context())
	for _, collector := range []string{"host_cpu", "host_memory", "host_load", "host_time", "host_network_device"} {
		if !strings.Contains(errs(m)[collector], dir) {
			t.Errorf("%s: %q", collector, errs(m)[collector])
		}
	}
}

func TestAPartCanBeLeftOut(t *testing.T) {
	r := New(Options{Without: func(c string) bool { return c != "host_load" }})
	m := r.Read(t.Context())
	if len(m.Readings) != 1 || m.Readings[0].Collector != "host_load" || m.Load == nil || m.CPU != nil {
		t.Errorf("%+v", m)
	}
}

func TestTheClock(t *testing.T) {
	r := recorded(t, "bare")
	for name, c := range map[string]struct {
		state int
		timex unix.Timex
		err   error
		want  *stat.Clock
		fails bool
	}{
		"microseconds":                {timex: unix.Timex{Offset: 1500}, want: &stat.Clock{Synchronised: true, Offset: .0015}},
		"not synchronised":            {timex: unix.Timex{Status: unix.STA_UNSYNC, Maxerror: 16e6}, want: &stat.Clock{MaximumError: 16}},
		"in error":                    {state: unix.TIME_ERROR, want: &stat.Clock{}},
		"forbidden":                   {err: unix.EPERM},
		"failed for no common reason": {err: unix.EFAULT, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			r.adjtimex = func(b *unix.Timex) (int, error) { *b = c.timex; return c.state, c.err }
			m := r.Read(t.Context())
			if diff := cmp.Diff(c.want, m.Time.Clock, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
				t.Error(diff)
			}
			if failed := errs(m)["host_time"] != ""; failed != c.fails || !m.Time.Boot.Known {
				t.Errorf("%+v %v", m.Time, errs(m))
			}
		})
	}
}

func TestAPartThatHangsHoldsUpNothingForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorded(t, "hypervisor")
		free := make(chan struct{})
		var calls atomic.Int64
		r.adjtimex = func(*unix.Timex) (int, error) { calls.Add(1); <-free; return 0, nil }
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			m := r.Read(ctx)
			cancel()
			if len(errs(m)) != 1 || !strings.Contains(errs(m)["host_time"], "deadline") || m.Time != nil || m.CPU == nil || m.NetworkDevices == nil {
				t.Errorf("%v %+v", errs(m), m)
			}
		}
		if calls.Load() != 1 {
			t.Errorf("%d calls hang, want one", calls.Load())
		}
		close(free)
		synctest.Wait()
		if m := r.Read(t.Context()); len(errs(m)) > 0 || m.Time == nil || calls.Load() != 2 {
			t.Errorf("after the kernel answered: %v %+v", errs(m), m.Time)
		}
	})
}

func TestReadingsSideBySide(t *testing.T) {
	r := recorded(t, "hypervisor")
	done := make(chan error)
	for range 8 {
		go func() {
			for range 20 {
				if m := r.Read(t.Context()); len(errs(m)) > 0 || m.CPU.User != 60 || len(m.NUMA) != 2 {
					done <- errors.New("a reading was not whole")
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestThisVeryMachine(t *testing.T) {
	r := New(Options{})
	r.filesystems.ask()
	time.Sleep(100 * time.Millisecond)
	m := r.Read(t.Context())
	if len(errs(m)) > 0 {
		t.Error(errs(m))
	}
	if m.CPU.Idle <= 0 || m.CPU.User <= 0 || m.Load.Running < 1 {
		t.Errorf("CPU %+v, load %+v", m.CPU, m.Load)
	}
	if m.Memory.Total < 64<<20 || m.Memory.Free > m.Memory.Total || m.Memory.Available.Value > float64(m.Memory.Total) {
		t.Errorf("memory %+v", m.Memory)
	}
	if boot := time.Unix(int64(m.Time.Boot.Value), 0); time.Since(boot) < 0 || time.Since(boot) > 20*365*24*time.Hour {
		t.Errorf("booted at %v", boot)
	}
	for _, f := range m.Filesystems {
		if f.Size.Value < f.Free.Value || f.Free.Value < f.Available.Value {
			t.Errorf("file system %+v", f)
		}
	}
	t.Logf("%d NUMA nodes, %d file systems, %d network devices", len(m.NUMA), len(m.Filesystems), len(m.NetworkDevices))
}

// BenchmarkRead also tells the CPU time of a reading, which its parts spend side by side.
func BenchmarkRead(b *testing.B) {
	r := New(Options{})
	cpu := func() float64 {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano() + u.Stime.Nano())
	}
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		r.Read(b.Context())
	}
	b.ReportMetric((cpu()-before)/float64(b.N), "cpu-ns/op")
}
