package year

import (
	"flag"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/simulator"
)

var (
	days  = flag.Int("days", 20, "how many days to run")
	first = flag.Uint64("seed", 228, "the first one's seed; on four of the twenty from 228 a host fails, and the clusters are small")
	tell  = flag.Bool("tell", false, "tell of the first day what happens")
)

// mostContention is by how much the share of VM-minutes with contention may be above that of all hosts on.
const mostContention = 0.001

// A day that fails is run again, with all that happened, by go test ./internal/year -run Days -days 1 -tell -v -seed N.
func TestDays(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	all, broken := sum{refused: map[string]int{}}, 0
	for i := range *days {
		var log func(string)
		if *tell && i == 0 {
			log = func(line string) { t.Log(line) }
		}
		r, err := Day(t.Context(), *first+uint64(i), log)
		if err != nil {
			t.Fatal(err)
		}
		if *tell {
			t.Logf("day %d: %d hosts, %d VMs, %d crowds; contended %.4f %% and %.4f %%; %d sleeps; %.1f of %.1f kWh, short %.0f min", r.Seed, r.Hosts, r.VMs, r.Crowds, 100*r.With.ContendedVMRatio, 100*r.AllOn.ContendedVMRatio, r.With.Sleeps, r.With.EnergyKWh, r.AllOn.EnergyKWh, r.ShortMinutes)
		}
		all.add(r)
		if len(r.Broken) > 0 {
			if broken++; broken <= 10 {
				t.Errorf("day %d: %s", r.Seed, strings.Join(r.Broken[:min(3, len(r.Broken))], "\n"))
			}
		}
	}
	t.Logf("%d days, %d of them broken\n%s", *days, broken, all)
	if *days >= 20 {
		if all.more() > mostContention {
			t.Errorf("contention is %.4f %% of all VM-minutes above that with all hosts on, more than %g %%", 100*all.more(), 100*mostContention)
		}
		if all.sleeps < *days || all.wakes < *days || all.saved() < 0.1 {
			t.Errorf("little was done: %s", all)
		}
	}
}

// tight is a day on which what must never happen is near: two of the hosts would do, and VMs are so large that it takes three for one
// to fail; hosts that are woken are not back, and a person turns them on a little later.
func tight(seed uint64) World {
	w := Draw(seed)
	w.HostFailures, w.MinHostsOn, w.Apart = 1, 1, nil
	s := &w.Scenario
	s.Rules, s.Events, s.VMs, s.Hosts = nil, nil, s.VMs[:20], s.Hosts[:4]
	s.Duration = simulator.Duration(14 * time.Hour)
	s.Power.WakeFailureRatio, s.Power.MendAfter = 0.5, simulator.Duration(20*time.Minute)
	for i := range s.VMs {
		v := &s.VMs[i]
		v.VCPUs, v.Memory, v.From, v.Until = 2, 6*gib, 0, 0
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		h.Cores, h.Memory, h.Unproven, h.FailureDomain = 12, 100*gib, false, ""
	}
	s.Crowds = nil
	for hour := range 4 {
		s.Crowds = append(s.Crowds, simulator.Crowd{At: simulator.Duration(time.Duration(1+3*hour) * time.Hour), Lasts: simulator.Duration(20 * time.Minute), Share: 0.9, To: 0.95})
	}
	return w
}

func TestWhatMustNeverHappenIsNear(t *testing.T) {
	for seed := range uint64(2) {
		r, err := watched(t.Context(), tight(seed+1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Broken) > 0 {
			t.Errorf("day %d: %s", r.Seed, strings.Join(r.Broken[:min(3, len(r.Broken))], "\n"))
		}
		if r.With.Sleeps < 1 || r.With.Wakes < 1 || r.With.FailedWakes < 1 {
			t.Errorf("day %d: %d sleeps, %d wakes, %d of hosts that did not wake", r.Seed, r.With.Sleeps, r.With.Wakes, r.With.FailedWakes)
		}
	}
}

func TestTheSameSeedGivesTheSameDay(t *testing.T) {
	var told [2][]string
	for i := range told {
		if _, err := watched(t.Context(), tight(1), func(line string) { told[i] = append(told[i], line) }); err != nil {
			t.Fatal(err)
		}
	}
	if len(told[0]) < 20 || !slices.Equal(told[0], told[1]) {
		t.Errorf("the day went another way the second time: %d and %d lines", len(told[0]), len(told[1]))
	}
}

// sum is what came of all days.
type sum struct {
	days, crowds, deaths, sleeps, wakes, failed, moves, movesOn int
	running, contended, runningOn, contendedOn                  float64
	lost, lostOn                                                float64
	kwh, kwhOn, asleep, short, waiting                          float64
	refused                                                     map[string]int
}

func (s *sum) add(r Report) {
	w, on := r.With, r.AllOn
	s.days, s.crowds, s.deaths = s.days+1, s.crowds+r.Crowds, s.deaths+r.Deaths
	s.sleeps, s.wakes, s.failed, s.moves, s.movesOn = s.sleeps+w.Sleeps, s.wakes+w.Wakes, s.failed+w.FailedWakes, s.moves+w.Migrations, s.movesOn+on.Migrations
	s.running, s.contended, s.runningOn, s.contendedOn = s.running+w.RunningVMMinutes, s.contended+w.ContendedVMMinutes, s.runningOn+on.RunningVMMinutes, s.contendedOn+on.ContendedVMMinutes
	s.lost, s.lostOn = s.lost+w.ContendedCoreSeconds, s.lostOn+on.ContendedCoreSeconds
	s.kwh, s.kwhOn, s.asleep, s.short, s.waiting = s.kwh+w.EnergyKWh, s.kwhOn+on.EnergyKWh, s.asleep+w.AsleepHostHours, s.short+r.ShortMinutes, s.waiting+w.WaitingVMMinutes-on.WaitingVMMinutes
	for gate, n := range w.Refused {
		s.refused[gate] += n
	}
}

// more is by how much the share of VM-minutes with contention is above that of all hosts on.
func (s *sum) more() float64 { return s.contended/s.running - s.contendedOn/s.runningOn }

func (s *sum) saved() float64 { return 1 - s.kwh/s.kwhOn }

func (s sum) String() string {
	var b strings.Builder
	n := float64(s.days)
	fmt.Fprintf(&b, "%d flash crowds, %d hosts that failed, %d that did not wake\n", s.crowds, s.deaths, s.failed)
	fmt.Fprintf(&b, "contended VM-minutes %.4f %%, with all hosts on %.4f %%: %.4f points more; core-seconds not had %.0f and %.0f\n", 100*s.contended/s.running, 100*s.contendedOn/s.runningOn, 100*s.more(), s.lost, s.lostOn)
	fmt.Fprintf(&b, "energy %.1f kWh a day, with all hosts on %.1f: %.1f %% saved\n", s.kwh/n, s.kwhOn/n, 100*s.saved())
	fmt.Fprintf(&b, "a day: %.1f sleeps, %.1f wakes, %.1f migrations (%.1f with all hosts on), %.1f host-hours asleep, %.1f minutes below what is to be survived, new VMs waited %.1f VM-minutes longer\n", float64(s.sleeps)/n, float64(s.wakes)/n, float64(s.moves)/n, float64(s.movesOn)/n, s.asleep/n, s.short/n, s.waiting/n)
	for _, gate := range slices.Sorted(maps.Keys(s.refused)) {
		fmt.Fprintf(&b, "gate %s refused %d times\n", gate, s.refused[gate])
	}
	return b.String()
}
