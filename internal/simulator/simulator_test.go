package simulator

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func start(t *testing.T, text string) *Cluster {
	t.Helper()
	s, err := ParseScenario("scenario.yml", t.TempDir(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *Cluster) pass(d time.Duration) { c.Step(c.now.Add(d)) }

func see(t *testing.T, c *Cluster) cluster.Snapshot {
	t.Helper()
	s, err := c.Snapshot(t.Context(), c.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

const two = `
hosts: [{name: h, count: 2, cores: 8, memory: 64GiB, idle_watts: 100, peak_watts: 300}]
vms: [{name: a, vcpus: 4, memory: 16GiB, place: h1, load: {constant: 0.5}}]
`

func TestAnIdleHostDrawsItsIdleWatts(t *testing.T) {
	c := start(t, "hosts: [{name: h, cores: 8, memory: 8GiB, watts: [90, 100, 110, 120, 130, 140, 150, 160, 170, 180, 190]}, {name: asleep, cores: 8, memory: 8GiB, standby: true, idle_watts: 90, peak_watts: 90}]")
	c.pass(time.Hour)
	near(t, "energy of an idle hour in Wh", c.totals.Joules/3600, 90)
}

func TestEnergyFollowsTheCurve(t *testing.T) {
	c := start(t, two)
	c.pass(time.Hour)
	near(t, "energy in Wh", c.totals.Joules/3600, 100+200*2/8.0+100)
}

func TestCPUIsSharedByVCPUsAndNobodyGetsMoreThanItWants(t *testing.T) {
	got := make([]float64, 3)
	divide(8, []float64{1, 8, 8}, []float64{2, 8, 4}, got)
	near(t, "the modest one", got[0], 1)
	near(t, "the large one", got[1], 7*8/12.0)
	near(t, "the small one", got[2], 7*4/12.0)
	divide(20, []float64{1, 8, 8}, []float64{2, 8, 4}, got)
	near(t, "all", got[0]+got[1]+got[2], 17)
}

func TestWhatIsWantedAndNotThereIsContentionAndSteal(t *testing.T) {
	c := start(t, "hosts: [{name: h, cores: 4, memory: 64GiB}]\nvms: [{name: a, count: 2, vcpus: 4, memory: 4GiB, load: {constant: 0.75}}]")
	c.pass(10 * time.Minute)
	near(t, "lost core-seconds", c.totals.LostCoreSeconds, 2*600)
	for _, v := range see(t, c).VMs {
		near(t, "demand", v.CPUDemandCores, 3)
		near(t, "steal", v.CPUStealRatio.Value, 0.25)
	}
	near(t, "pressure", see(t, c).Hosts[0].CPUPressureRatio.Value, 2/6.0)
}

// In how many pieces time is gone through must make no difference, or runs could not be compared.
func TestThePiecesOfTimeMakeNoDifference(t *testing.T) {
	text := "hosts: [{name: h, cores: 4, memory: 64GiB, idle_watts: 1, peak_watts: 9}]\nvms: [{name: a, count: 3, vcpus: 4, memory: 4GiB, load: {noise: {mean: 0.4, sd: 0.3}}}]"
	a, b := start(t, text), start(t, text)
	a.pass(time.Hour)
	for range 3600 {
		b.pass(time.Second)
	}
	near(t, "lost", b.totals.LostCoreSeconds, a.totals.LostCoreSeconds)
	near(t, "energy", b.totals.Joules, a.totals.Joules)
	near(t, "demand", see(t, b).VMs[0].CPUDemandCores, see(t, a).VMs[0].CPUDemandCores)
	if a.totals.LostCoreSeconds == 0 {
		t.Error("nothing was lost; the test has no teeth")
	}
}

func TestAMigrationTakesTimeAndCPUAndMemoryOnBothHosts(t *testing.T) {
	c := start(t, strings.Replace(two, "load:", "dirty_rate: 512MiB, load:", 1))
	id := c.vms[0].id
	if err := c.Migrate(id, "h2"); err != nil {
		t.Fatal(err)
	}
	// 11.2 GiB at 1 GiB/s, each round half of the one before, until 0.3 GiB are left: between 20 and 25 s.
	if took := c.NextEnd().Sub(c.now); took < 19*time.Second || took > 27*time.Second {
		t.Errorf("it takes %s", took)
	}
	if c.promised(0) != 16<<30 || c.promised(1) != 16<<30 {
		t.Errorf("memory is %d and %d", c.promised(0), c.promised(1))
	}
	sight := c.Look(t.Context(), id, []string{"h1", "h2"})
	if _, job, _ := sight.On("h1"); !job || sight.RunsOn() != "h1" || see(t, c).VMs[0].MigratingTo != "h2" {
		t.Errorf("in flight it is seen as %+v", sight)
	}
	c.pass(10 * time.Second)
	near(t, "copying on h1", c.hosts[0].own, 10)
	near(t, "copying on h2", c.hosts[1].own, 10)
	near(t, "slowdown", c.totals.LostCoreSeconds, 0.1*2*10)
	c.pass(time.Minute)
	v := see(t, c).VMs[0]
	if v.Host != "h2" || v.MigratingTo != "" || v.MovesLastDay != 1 || v.MovedAt.IsZero() || strings.Join(v.RecentHosts, ",") != "h1" || v.LastMigration == nil {
		t.Errorf("after it the VM is %+v", v)
	}
	c.pass(25 * time.Hour)
	if v := see(t, c).VMs[0]; v.MovesLastDay != 0 || !v.MovedAt.IsZero() || v.RecentHosts != nil {
		t.Errorf("a day later it is %+v", v)
	}
}

func TestAMigrationThatCannotBeIsRefused(t *testing.T) {
	c := start(t, `
hosts: [{name: h, count: 2, cores: 8, memory: 20GiB}, {name: far, cores: 8, memory: 64GiB, storage: [other]}, {name: asleep, cores: 8, memory: 64GiB, standby: true}]
vms: [{name: a, vcpus: 4, memory: 16GiB, place: h1, load: {constant: 0.5}}, {name: b, vcpus: 4, memory: 16GiB, place: far, storage: [other], load: {constant: 0.5}}]`)
	a, b := c.vms[0].id, c.vms[1].id
	for _, bad := range []struct{ vm, to string }{{"nobody", "h2"}, {a, "nowhere"}, {a, "h1"}, {a, "asleep"}, {b, "h2"}} {
		if c.Migrate(bad.vm, bad.to) == nil {
			t.Errorf("%s could go to %s", bad.vm, bad.to)
		}
	}
	if err := c.Migrate(a, "h2"); err != nil {
		t.Fatal(err)
	}
	if c.Migrate(a, "far") == nil {
		t.Error("it could be moved twice at once")
	}
}

func TestAFailedHostTakesItsVMsWithIt(t *testing.T) {
	c := start(t, two+"events: [{at: 10m10s, host: h1, do: down}, {at: 20m17s, host: h1, do: up}]\n")
	c.pass(10*time.Minute + 9*time.Second)
	if err := c.Migrate(c.vms[0].id, "h2"); err != nil {
		t.Fatal(err)
	}
	c.pass(2 * time.Second)
	s := see(t, c)
	if s.Hosts[0].State != cluster.HostUnknown || s.VMs[0].State != cluster.VMUnknown || s.VMs[0].Movable || s.GapOf("host/h1") == "" || s.GapOf("vm/"+s.VMs[0].ID) == "" {
		t.Errorf("a failed host is seen as %+v", s)
	}
	if c.totals.FailedMigrations != 1 || c.Migrate(c.vms[0].id, "h2") == nil {
		t.Error("a VM left a host that had failed")
	}
	c.pass(time.Hour)
	near(t, "time that it did not run", c.totals.StoppedVMSeconds, 607)
	if s := see(t, c); s.Hosts[0].State != cluster.HostUp || s.VMs[0].State != cluster.VMRunning {
		t.Errorf("after the failure: %+v", s)
	}
}

func TestDemandIsThePercentileOfMinutes(t *testing.T) {
	c := start(t, "hosts: [{name: h, cores: 8, memory: 8GiB}]\nvms: [{name: a, vcpus: 4, memory: 4GiB, load: {square: {low: 0, high: 1, period: 10m, duty: 0.1}}}]")
	c.pass(5 * time.Minute)
	// One minute of five is full: of ten means, one is 4 and two are 2 or less, so the 90th percentile lies near.
	if d := see(t, c).VMs[0].CPUDemandCores; d < 1 || d > 4 {
		t.Errorf("demand is %v", d)
	}
	c.pass(5 * time.Minute)
	near(t, "demand when it is long over", see(t, c).VMs[0].CPUDemandCores, 0)
	near(t, "percentile", quantile(0.9, []float64{5, 1, 3}), 4.6)
}

func TestSnapshotsAreOfNowOnly(t *testing.T) {
	c := start(t, two)
	if _, err := c.Snapshot(t.Context(), c.now.Add(time.Second)); err == nil {
		t.Error("it can see the future")
	}
}

func TestTracesAreReplayed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"1": "10\n20\n", "2": "100\n0\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := ParseScenario("s", dir, []byte("hosts: [{name: h, cores: 8, memory: 64GiB}]\nvms: [{name: a, count: 3, vcpus: 2, memory: 4GiB, load: {trace: {directory: ., interval: 1m}}}]"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(4 * time.Minute)
	for i, want := range []float64{0.15, 0.5, 0.15} {
		near(t, c.vms[i].name, c.vms[i].got, want*2*240)
	}
}

func TestWhatIsWrongWithAScenarioIsNamedByFileLineAndKey(t *testing.T) {
	good := "seed: 1\nhosts:\n  - {name: h, cores: 8, memory: 8GiB}\nvms:\n  - {name: a, vcpus: 1, memory: 1GiB, load: {constant: 0.1}}\n"
	for _, c := range []struct{ old, new, want string }{
		{"seed: 1", "sed: 1", `f.yml:1: sed: there is no key "sed" here`},
		{"cores: 8", "cores: many", `f.yml:3: hosts[0].cores: a number is wanted here, not "many"`},
		{"8GiB", "8Gigs", `f.yml:3: hosts[0].memory: "8Gigs" is no size`},
		{"constant: 0.1", "constant: 7", "f.yml:5: vms[0].load.constant: is 7; it is a share"},
		{"constant: 0.1", "", "f.yml:5: vms[0].load: names 0 loads"},
		{"constant: 0.1", "trace: {file: nowhere}", "f.yml:5: vms[0].load.trace: read a trace"},
		{"vcpus: 1", "vcpus: 0", "f.yml:5: vms[0].vcpus: is 0"},
		{"name: a,", "name: a, place: elsewhere,", `f.yml:5: vms[0].place: "elsewhere" is no host`},
		{"seed: 1", "events: [{at: 1h, host: x, do: down}]", `f.yml:1: events[0].host: "x" is not among the hosts`},
		{"seed: 1", "events: [{at: 1h, host: h, do: explode}]", `f.yml:1: events[0].do: "explode" is nothing that can happen`},
		{"seed: 1", "rules: [{name: r, kind: odd, vms: [a]}]", `f.yml:1: rules[0].kind: "odd" is no rule kind`},
		{"seed: 1", "duration: soon", `f.yml:1: duration: "soon" is no duration`},
		{"hosts:\n", "hosts: [\n", "f.yml:"},
	} {
		_, err := ParseScenario("f.yml", t.TempDir(), []byte(strings.Replace(good, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q instead of %q gives %v, want %s", c.new, c.old, err, c.want)
		}
	}
	if _, err := ParseScenario("f.yml", "", []byte(good)); err != nil {
		t.Error(err)
	}
}

func TestAVMWithoutRoomIsAnError(t *testing.T) {
	s, err := ParseScenario("s", "", []byte("hosts: [{name: h, cores: 8, memory: 8GiB}]\nvms: [{name: a, count: 3, vcpus: 1, memory: 4GiB, load: {constant: 0.1}}]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(s, 0); err == nil || !strings.Contains(err.Error(), "a3") {
		t.Errorf("three VMs of 4 GiB on 8 GiB: %v", err)
	}
}

func TestCountersAreStraightLinesBetweenSamples(t *testing.T) {
	c := start(t, "step: 1m\nhosts: [{name: h, cores: 8, memory: 8GiB}]\nvms: [{name: a, vcpus: 4, memory: 4GiB, load: {square: {low: 0, high: 1, period: 2m, duty: 0.5}}}]")
	c.pass(4 * time.Minute)
	wanted := func(s *sample) float64 { return s.wanted[0] }
	for _, part := range []struct{ from, to, want float64 }{{0, 30, 4}, {30, 90, 2}, {60, 120, 0}, {-100, 60, 4}, {105, 135, 2}} {
		at := func(seconds float64) time.Time { return c.scenario.Start.Add(time.Duration(seconds) * time.Second) }
		near(t, "rate", c.rate(c.span(at(part.from), at(part.to)), wanted), part.want)
	}
}
