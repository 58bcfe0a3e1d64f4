package rehearsal

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/simulator"
)

// usual are the limits that a server has by default.
func usual() Options {
	l := cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}
	return Options{
		Analyzer: analyzer.Policy{Interval: 30 * time.Second, HoldRounds: 3, Detect: detect.Default(3, l),
			Plan: plan.Policy{Threshold: 3, MaxMoves: 8, Limits: l, BandwidthBytesPerSecond: 1 << 30, Lifetime: 15 * time.Minute, Horizon: time.Hour,
				Stability: plan.Stability{CoolDown: 15 * time.Minute, CoolDownMax: 6 * time.Hour, MaxMovesPerDay: 4}}},
		Gate:   gate.Policy{Level: cluster.LevelManual, MaxDataAge: time.Minute, FailureCoolDown: 15 * time.Minute, RejectionCoolDown: 24 * time.Hour, Limits: l},
		Window: 5 * time.Minute,
	}
}

func scenario(t *testing.T, text string) simulator.Scenario {
	t.Helper()
	s, err := simulator.ParseScenario("scenario", "", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rehearse(t *testing.T, s simulator.Scenario, o Options) Report {
	t.Helper()
	r, err := Run(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNoiseMovesNothing(t *testing.T) {
	t.Parallel()
	for seed := range 3 {
		r := rehearse(t, scenario(t, fmt.Sprintf(`
seed: %d
hosts: [{name: node, count: 4, cores: 16, memory: 128GiB}]
vms:
  - {name: noisy, count: 12, vcpus: 4, memory: 8GiB, load: {noise: {mean: 0.45, sd: 0.15}}}
  - {name: nervous, count: 12, vcpus: 2, memory: 4GiB, load: {noise: {mean: 0.45, sd: 0.15}}}
`, seed)), usual())
		if r.Migrations > 0 {
			t.Errorf("seed %d: noise moved VMs %d times", seed, r.Migrations)
		}
	}
}

// Periods from those that are over before a migration has paid to those that are as long as the horizon.
func TestSquareWavesAreNotRunAfter(t *testing.T) {
	t.Parallel()
	for _, period := range []string{"5m", "20m", "1h", "2h"} {
		r := rehearse(t, scenario(t, fmt.Sprintf(`
hosts: [{name: node, count: 4, cores: 16, memory: 128GiB}]
vms:
  - {name: wave, count: 9, vcpus: 4, memory: 8GiB, place: packed, load: {square: {low: 0.1, high: 0.8, period: %s, duty: 0.5}}}
  - {name: counter, count: 9, vcpus: 4, memory: 8GiB, place: packed, load: {square: {low: 0.1, high: 0.8, period: %s, duty: 0.5, stagger: 7m}}}
`, period, period)), usual())
		if r.MovesPerVMDayMax > 4 || r.ReturnsWithinHour > 0 {
			t.Errorf("period %s: a VM moved %d times in a day, %d moves went back within an hour", period, r.MovesPerVMDayMax, r.ReturnsWithinHour)
		}
		if r.Migrations == 0 {
			t.Errorf("period %s: nothing moved although all VMs began on one host", period)
		}
	}
}

const peak = `
hosts: [{name: node, count: 4, cores: 16, memory: 128GiB}]
vms:
  - {name: office, count: 12, vcpus: 4, memory: 8GiB, place: packed, dirty_rate: 20MiB, load: {daily: {low: 0.05, high: 0.7, peak_hour: 12, noise: 0.05}}}
  - {name: rest, count: 10, vcpus: 2, memory: 4GiB, load: {constant: 0.3}}
`

func TestContentionOfADailyPeakIsAtLeastHalved(t *testing.T) {
	t.Parallel()
	with := rehearse(t, scenario(t, peak), usual())
	o := usual()
	o.Watch = true
	without := rehearse(t, scenario(t, peak), o)
	if without.ContendedCoreSeconds < 1000 || with.ContendedCoreSeconds > without.ContendedCoreSeconds/2 {
		t.Errorf("contention is %.0f core-seconds with evenkeel and %.0f without", with.ContendedCoreSeconds, without.ContendedCoreSeconds)
	}
	if with.ScoreMean <= without.ScoreMean || without.Migrations != 0 {
		t.Errorf("score %.1f with, %.1f without; %d migrations by nobody", with.ScoreMean, without.ScoreMean, without.Migrations)
	}
}

func TestTheSameSeedGivesTheSameReport(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, seed := range []string{"1", "1", "2"} {
		b, err := json.Marshal(rehearse(t, scenario(t, "seed: "+seed+"\nduration: 6h\nmigration: {failure_ratio: 0.2}\n"+strings.Replace(peak, "peak_hour: 12", "peak_hour: 3", 1)), usual()))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	if texts[0] != texts[1] {
		t.Errorf("one seed gave two reports:\n%s\n%s", texts[0], texts[1])
	}
	if texts[0] == texts[2] {
		t.Error("the seed makes no difference")
	}
}

func TestMaintenanceEmptiesTheHostAndKeepsTheRules(t *testing.T) {
	t.Parallel()
	s, err := simulator.LoadScenario(filepath.Join("..", "..", "docs", "scenarios", "maintenance.yml"), "")
	if err != nil {
		t.Fatal(err)
	}
	s.Duration = simulator.Duration(4*time.Hour - time.Minute) // just before the host comes back
	r := rehearse(t, s, usual())
	if r.VMsAtEnd["front1"] != 0 || r.Migrations == 0 {
		t.Errorf("front1 still has %d VMs after %d migrations", r.VMsAtEnd["front1"], r.Migrations)
	}
	o := usual()
	o.Watch = true
	if r := rehearse(t, s, o); r.VMsAtEnd["front1"] == 0 {
		t.Error("front1 had no VMs to begin with")
	}
}

func TestAFailedMigrationIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	r := rehearse(t, scenario(t, "duration: 4h\nmigration: {failure_ratio: 1}\n"+strings.Replace(peak, "peak_hour: 12", "peak_hour: 2", 1)), usual())
	if r.Migrations != 0 || r.FailedMigrations == 0 || r.Refused["failures"] == 0 {
		t.Errorf("%d migrations, %d failed, refused %v", r.Migrations, r.FailedMigrations, r.Refused)
	}
	// 15 minutes, 30, 60, ...: in four hours no VM is tried more than five times.
	if r.FailedMigrations > 5*22 {
		t.Errorf("%d attempts", r.FailedMigrations)
	}
}

func TestAtLevelOffNothingMoves(t *testing.T) {
	t.Parallel()
	o := usual()
	o.Gate.Level = cluster.LevelOff
	if r := rehearse(t, scenario(t, "duration: 2h\n"+strings.Replace(peak, "peak_hour: 12", "peak_hour: 1", 1)), o); r.Migrations != 0 || r.Refused["level"] == 0 {
		t.Errorf("%d migrations, refused %v", r.Migrations, r.Refused)
	}
}

// sleepy are the usual limits with power management as its defaults are.
func sleepy() Options {
	o := usual()
	o.Analyzer.Plan.Power = plan.Power{Advise: true, Target: 0.63, Tolerance: 0.18, MinHostsOn: 1, Horizon: 6 * time.Hour, CycleWh: 20, MoveWh: 0.5}
	o.Rest = Rest{Busy: 5 * time.Minute, Calm: 40 * time.Minute, Empty: 30 * time.Minute, Wake: 10 * time.Minute}
	return o
}

const nights = `
past: 7d
hosts: [{name: node, count: 4, cores: 16, memory: 128GiB, idle_watts: 120, peak_watts: 300}]
vms: [{name: office, count: 16, vcpus: 4, memory: 8GiB, load: {daily: {low: 0.05, high: 0.75, peak_hour: 12, noise: 0.02}}}]
`

func TestHostsSleepByNightAndAreThereByDay(t *testing.T) {
	t.Parallel()
	with, o := rehearse(t, scenario(t, nights), sleepy()), sleepy()
	o.Watch = true
	without := rehearse(t, scenario(t, nights), o)
	if with.Sleeps < 2 || with.Wakes < 2 || with.FailedWakes > 0 || with.EnergyKWh > 0.9*without.EnergyKWh {
		t.Errorf("%d sleeps, %d wakes, %d of them failed, %.2f kWh of %.2f", with.Sleeps, with.Wakes, with.FailedWakes, with.EnergyKWh, without.EnergyKWh)
	}
	if with.ContendedVMRatio > 0.01 || with.StoppedVMMinutes > 0 {
		t.Errorf("%.4f of the time VMs were contended, %.0f minutes they were stopped", with.ContendedVMRatio, with.StoppedVMMinutes)
	}
}

// All wakes fail, and a person turns the hosts on an hour later: each sleeps once at most.
func TestAHostThatDidNotWakeIsLeftOn(t *testing.T) {
	t.Parallel()
	r := rehearse(t, scenario(t, "duration: 2d\nstep: 1m\npower: {wake_failure_ratio: 1, mend_after: 1h}\n"+nights), sleepy())
	if r.Sleeps == 0 || r.Sleeps > 4 || r.Wakes > 0 || r.FailedWakes == 0 {
		t.Errorf("%d sleeps, %d wakes, %d did not wake", r.Sleeps, r.Wakes, r.FailedWakes)
	}
}

func TestAHostThatBeginsAsleepIsWokenWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	text := "duration: 12h\n" + strings.Replace(nights, "count: 4,", "count: 3,", 1)
	text = strings.Replace(text, "hosts: [", "hosts: [{name: asleep, cores: 16, memory: 128GiB, standby: true, idle_watts: 120, peak_watts: 300}, ", 1)
	if r := rehearse(t, scenario(t, text), sleepy()); r.Wakes == 0 || r.VMsAtEnd["asleep"] == 0 {
		t.Errorf("%d wakes, %v", r.Wakes, r.VMsAtEnd)
	}
}

func TestHostsThatWereNeverWokenStayOn(t *testing.T) {
	t.Parallel()
	text := strings.Replace(nights, "count: 4,", "count: 4, unproven: true,", 1)
	if r := rehearse(t, scenario(t, text), sleepy()); r.Sleeps > 0 {
		t.Errorf("%d sleeps", r.Sleeps)
	}
}

func TestOneActionHappensAtATime(t *testing.T) {
	t.Parallel()
	s := scenario(t, "duration: 1h\nmigration: {bandwidth: 100MiB}\n"+strings.Replace(peak, "peak_hour: 12", "peak_hour: 0", 1))
	r, err := newRun(s, usual())
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for at := s.Start.Add(30 * time.Second); at.Before(s.Start.Add(20 * time.Minute)); at = at.Add(30 * time.Second) {
		if err := r.advance(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if err := r.pass(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		snap, err := r.cluster.Snapshot(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		moving := 0
		for _, v := range snap.VMs {
			if v.MigratingTo != "" {
				moving++
			}
		}
		if moving > 1 {
			t.Fatalf("%d VMs move at once at %s", moving, at)
		}
		moved += moving
	}
	if moved == 0 {
		t.Error("nothing moved")
	}
}

func TestSteadinessIsCounted(t *testing.T) {
	at := func(minutes int, from, to string) simulator.Move {
		return simulator.Move{At: time.Date(2026, 1, 5, 0, minutes, 0, 0, time.UTC), From: from, To: to}
	}
	for _, c := range []struct {
		moves         []simulator.Move
		most, returns int
	}{
		{nil, 0, 0},
		{[]simulator.Move{at(0, "a", "b"), at(59, "b", "a")}, 2, 1},
		{[]simulator.Move{at(0, "a", "b"), at(60, "b", "a")}, 2, 0},
		{[]simulator.Move{at(0, "a", "b"), at(20, "b", "c"), at(40, "c", "a")}, 3, 1},
		{[]simulator.Move{at(0, "a", "b"), at(24*60, "b", "c"), at(24*60+1, "c", "d")}, 2, 0},
	} {
		if most, returns := steadiness(c.moves); most != c.most || returns != c.returns {
			t.Errorf("%v: %d a day and %d back, want %d and %d", c.moves, most, returns, c.most, c.returns)
		}
	}
}
