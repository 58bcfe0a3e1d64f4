package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"pgregory.net/rapid"
)

// idle is roomy's three hosts at night: all were woken once, every VM has been calm.
func idle() cluster.Snapshot {
	s := roomy()
	s.At = clustertest.At()
	for i := range s.Hosts {
		s.Hosts[i].Woken = &cluster.WakeProof{Host: s.Hosts[i].ID, At: s.At.Add(-24 * time.Hour), Woke: true, Seconds: float64(90 + 10*i)}
		s.Hosts[i].IdleWatts, s.Hosts[i].PeakWatts = cluster.Known(150), cluster.Known(300)
	}
	for i := range s.VMs {
		s.VMs[i].CPUBusyCores, s.VMs[i].CPUCalmCores = cluster.Known(0.4), cluster.Known(0.6)
	}
	for range 12 {
		s.CPUAheadCores = append(s.CPUAheadCores, 4)
	}
	return s
}

// asleep is idle with h3 in standby and its VMs on the others.
func asleep() cluster.Snapshot {
	s := idle()
	s.Hosts[2].State = cluster.HostStandby
	for i := range s.VMs {
		if s.VMs[i].Host == "h3" {
			s.VMs[i].Host = []string{"h1", "h2"}[i%2]
		}
	}
	return s
}

func saving() plan.Policy {
	p := resting()
	p.Lifetime = 15 * time.Minute
	p.Power = plan.Power{Advise: true, Target: 0.63, Tolerance: 0.18, MinHostsOn: 1, MaxProofAge: 90 * 24 * time.Hour, Horizon: 6 * time.Hour, CycleWh: 20, MoveWh: 0.5}
	return p
}

func advised(s cluster.Snapshot, p plan.Policy) string {
	recs := plan.PowerAdvice(s, p)
	switch {
	case len(recs) == 0:
		return "nothing"
	case len(recs) > 1:
		return "more than one"
	}
	return recs[0].Action.String()
}

func eachVM(s *cluster.Snapshot, change func(v *cluster.VM)) {
	for i := range s.VMs {
		change(&s.VMs[i])
	}
}

func TestAHostIsAdvisedToSleepOnlyWhereNothingSpeaksAgainstIt(t *testing.T) {
	if got := advised(idle(), saving()); !strings.HasPrefix(got, "put h") {
		t.Fatalf("at night: %s", got)
	}
	for name, change := range map[string]func(s *cluster.Snapshot, p *plan.Policy){
		"nobody wants advice": func(_ *cluster.Snapshot, p *plan.Policy) { p.Power.Advise = false },
		"a host is not seen": func(s *cluster.Snapshot, _ *plan.Policy) {
			s.Gaps = []cluster.Gap{{Subject: "host/h2", Reason: "no data"}}
		},
		"a host is being emptied": func(s *cluster.Snapshot, _ *plan.Policy) { s.Hosts[1].State = cluster.HostMaintenance },
		"none was ever woken": func(s *cluster.Snapshot, _ *plan.Policy) {
			for i := range s.Hosts {
				s.Hosts[i].Woken = nil
			}
		},
		"none woke the last time": func(s *cluster.Snapshot, _ *plan.Policy) {
			for i := range s.Hosts {
				s.Hosts[i].Woken.Woke = false
			}
		},
		"that was long ago": func(s *cluster.Snapshot, _ *plan.Policy) {
			for i := range s.Hosts {
				s.Hosts[i].Woken.At = s.At.Add(-91 * 24 * time.Hour)
			}
		},
		"one VM's past is unknown": func(s *cluster.Snapshot, _ *plan.Policy) { s.VMs[0].CPUCalmCores = cluster.Number{} },
		"there was a peak": func(s *cluster.Snapshot, _ *plan.Policy) {
			eachVM(s, func(v *cluster.VM) { v.CPUCalmCores = cluster.Known(1.8) })
		},
		"an hour ahead is a peak": func(s *cluster.Snapshot, _ *plan.Policy) { s.CPUAheadCores[0] = 11 },
		"memory is promised":      func(s *cluster.Snapshot, _ *plan.Policy) { eachVM(s, func(v *cluster.VM) { v.MemoryBytes = 7 << 30 }) },
		"a quorum would be lost": func(_ *cluster.Snapshot, p *plan.Policy) {
			p.Power.Quorums = []cluster.Quorum{{"h1", "h2", "h3", "h4"}}
		},
		"more hosts are to stay on": func(_ *cluster.Snapshot, p *plan.Policy) { p.Power.MinHostsOn = 3 },
		"each is the last of its domain": func(s *cluster.Snapshot, _ *plan.Policy) {
			for i := range s.Hosts {
				s.Hosts[i].FailureDomain = s.Hosts[i].ID
			}
		},
		"two must be able to fail":           func(_ *cluster.Snapshot, p *plan.Policy) { p.Admission = admission.Policy{HostFailures: 2} },
		"it would not pay":                   func(_ *cluster.Snapshot, p *plan.Policy) { p.Power.CycleWh = 1e6 },
		"a schedule keeps all awake":         func(s *cluster.Snapshot, p *plan.Policy) { p.Power.Awake = keptAwake(s.At.Add(-time.Minute)) },
		"they would be woken before it pays": func(s *cluster.Snapshot, p *plan.Policy) { p.Power.Awake = keptAwake(s.At.Add(5 * time.Minute)) },
		"nothing can be moved": func(s *cluster.Snapshot, _ *plan.Policy) {
			eachVM(s, func(v *cluster.VM) { v.Movable, v.ImmovableReason = false, "it has a local disk" })
		},
	} {
		s, p := idle(), saving()
		change(&s, &p)
		if got := advised(s, p); got != "nothing" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A host sleeps before a peak only as long as the peak is away for longer than it takes to save what the cycle costs.
func TestAHostSleepsUntilThePeakThatComesEveryDay(t *testing.T) {
	for hour, want := range map[int]bool{0: false, 5: true} {
		s := idle()
		s.CPUAheadCores[hour] = 11
		if got := advised(s, saving()) != "nothing"; got != want {
			t.Errorf("a peak in %d hours: advised %t", hour, got)
		}
	}
}

func TestTheHostWithTheLeastToMoveSleepsFirst(t *testing.T) {
	s := idle()
	s.VMs = append(s.VMs[:2:2], s.VMs[3:]...) // one of h2's is gone
	recs := plan.PowerAdvice(s, saving())
	if len(recs) != 1 || recs[0].Action.String() != "put h2 into standby" || recs[0].Policy != "power" || recs[0].Priority != 4 {
		t.Fatalf("%+v", recs)
	}
	for _, want := range []string{"h2 can be emptied with 1 moves", "target 63 %", "it would save about"} {
		if !strings.Contains(recs[0].Reason, want) {
			t.Errorf("%q does not say %q", recs[0].Reason, want)
		}
	}
}

func TestAHostIsWokenWhenThoseThatAreOnRunShort(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *cluster.Snapshot, p *plan.Policy)
		want   string
	}{
		"all is well": {func(*cluster.Snapshot, *plan.Policy) {}, "nothing"},
		"CPU runs short": {func(s *cluster.Snapshot, _ *plan.Policy) {
			eachVM(s, func(v *cluster.VM) { v.CPUBusyCores = cluster.Known(2.3) })
		}, "wake h3"},
		"a peak that is over": {func(s *cluster.Snapshot, _ *plan.Policy) {
			eachVM(s, func(v *cluster.VM) { v.CPUCalmCores = cluster.Known(2.3) })
		}, "nothing"},
		"memory runs short": {func(s *cluster.Snapshot, p *plan.Policy) {
			p.Admission = admission.Policy{}
			eachVM(s, func(v *cluster.VM) { v.MemoryBytes = 9 << 30 })
		}, "wake h3"},
		"a host could not fail": {func(s *cluster.Snapshot, _ *plan.Policy) { eachVM(s, func(v *cluster.VM) { v.MemoryBytes = 7 << 30 }) }, "wake h3"},
		"it did not wake before": {func(s *cluster.Snapshot, _ *plan.Policy) {
			s.Hosts[2].Woken.Woke = false
			eachVM(s, func(v *cluster.VM) { v.CPUBusyCores = cluster.Known(2.3) })
		}, "nothing"},
		"nobody knows what it has": {func(s *cluster.Snapshot, _ *plan.Policy) {
			s.Hosts[2].CPUCores = 0
			eachVM(s, func(v *cluster.VM) { v.CPUBusyCores = cluster.Known(2.3) })
		}, "nothing"},
	} {
		s, p := asleep(), saving()
		c.change(&s, &p)
		if got := advised(s, p); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if recs := plan.PowerAdvice(s, p); len(recs) == 1 && recs[0].Priority != 1 {
			t.Errorf("%s: priority %d", name, recs[0].Priority)
		}
	}
}

// What runs short does not wait until the rest of the cluster is at rest.
func TestAHostIsWokenWhateverElseGoesOn(t *testing.T) {
	short := func(s *cluster.Snapshot) {
		eachVM(s, func(v *cluster.VM) { v.CPUBusyCores = cluster.Known(2.3) })
	}
	for name, c := range map[string]struct {
		change func(s *cluster.Snapshot)
		want   string
	}{
		"a host is being emptied": {func(s *cluster.Snapshot) { s.Hosts[1].State = cluster.HostMaintenance }, "wake h3"},
		"a host failed": {func(s *cluster.Snapshot) {
			s.Hosts = append(s.Hosts, s.Hosts[1], s.Hosts[1])
			s.Hosts[3].ID, s.Hosts[4].ID, s.Hosts[1].State = "h4", "h5", cluster.HostUnknown
			s.Gaps = []cluster.Gap{{Subject: "host/h2", Reason: "no data"}}
			eachVM(s, func(v *cluster.VM) { v.CPUBusyCores = cluster.Known(3.5) })
		}, "wake h3"},
		"most of the hosts are not seen": {func(s *cluster.Snapshot) {
			s.Hosts[0].State, s.Hosts[1].State = cluster.HostUnknown, cluster.HostUnknown
			s.Gaps = []cluster.Gap{{Subject: "host/h1", Reason: "no data"}, {Subject: "host/h2", Reason: "no data"}}
		}, "nothing"},
	} {
		s := asleep()
		short(&s)
		c.change(&s)
		if got := advised(s, saving()); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestAsManyHostsAreWokenAsItTakes(t *testing.T) {
	s := asleep()
	for _, id := range []string{"h4", "h5", "h6"} {
		h := s.Hosts[2]
		h.ID = id
		s.Hosts = append(s.Hosts, h)
	}
	eachVM(&s, func(v *cluster.VM) { v.CPUBusyCores = cluster.Known(4.2) }) // 25 of 16 cores: 81 % of 32 takes two more
	recs := plan.PowerAdvice(s, saving())
	if len(recs) != 2 || recs[0].Action.String() != "wake h3" || recs[1].Action.String() != "wake h4" {
		t.Errorf("%+v", recs)
	}
}

// A host that takes twice as long as the last time may not come, and those who need it do not wait until it is given up.
func TestAnotherHostIsWokenForOneThatDoesNotCome(t *testing.T) {
	for _, c := range []struct {
		since time.Duration
		want  string
	}{{0, "wake h3"}, {3 * time.Minute, "wake h3"}, {4 * time.Minute, "wake h4"}} {
		s := asleep()
		h := s.Hosts[2]
		h.ID, h.Woken = "h4", &cluster.WakeProof{Host: "h4", At: s.At, Woke: true, Seconds: 200}
		s.Hosts = append(s.Hosts, h)
		if c.since > 0 {
			s.Hosts[2].WakingSince = s.At.Add(-c.since)
		}
		eachVM(&s, func(v *cluster.VM) { v.CPUBusyCores = cluster.Known(2.3) })
		if got := advised(s, saving()); got != c.want {
			t.Errorf("after %s: %s, want %s", c.since, got, c.want)
		}
	}
}

// What would not be survived with all hosts on either is no reason to wake any.
func TestNoHostIsWokenForWhatItWouldNotMend(t *testing.T) {
	s := asleep()
	s.VMs[0].LocalDisk = "vda lies on h1 alone"
	if got := advised(s, saving()); got != "nothing" {
		t.Errorf("a VM that can be started nowhere else: %s", got)
	}
}

// Whatever the cluster is like: a host that is advised to sleep can be emptied and is not needed, and with it asleep none is woken.
func TestLawAHostThatIsAdvisedToSleepIsNotWokenForIt(t *testing.T) {
	slept := 0
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Draw(t, "snapshot")
		s.Gaps = nil
		for i := range s.Hosts {
			s.Hosts[i].State = cluster.HostUp
			s.Hosts[i].Woken = &cluster.WakeProof{Host: s.Hosts[i].ID, At: s.At, Woke: true, Seconds: 60}
		}
		eachVM(&s, func(v *cluster.VM) {
			v.CPUCalmCores, v.CPUBusyCores = cluster.Known(v.Cores()), cluster.Known(v.Cores())
		})
		p := saving()
		recs := plan.PowerAdvice(s, p)
		if len(recs) == 0 || recs[0].Action.Kind != cluster.Standby {
			return
		}
		slept++
		rest := plan.MayRest(s, recs[0].Action.From, p)
		if rest.Stay != "" || rest.Reserve != "" {
			t.Fatalf("%+v", rest)
		}
		place := cluster.NewPlacement(s)
		for _, m := range rest.Moves {
			place.Move(m.VM, m.To)
		}
		for i := range s.VMs {
			if to := place.HostOf(s.VMs[i].ID); to != "" {
				s.VMs[i].Host, s.VMs[i].MigratingTo = to, ""
			}
		}
		for i := range s.Hosts {
			if s.Hosts[i].ID == recs[0].Action.From {
				s.Hosts[i].State = cluster.HostStandby
			}
		}
		if next := plan.PowerAdvice(s, p); len(next) > 0 && next[0].Action.Kind == cluster.Wake {
			t.Fatalf("%s, and then: %s", recs[0].Reason, next[0].Reason)
		}
	})
	t.Logf("%d hosts slept", slept)
}

func TestAHostThatIsEmptySleepsFirst(t *testing.T) {
	s := idle()
	for i := range s.VMs {
		if s.VMs[i].Host == "h3" {
			s.VMs[i].Host = "h1"
		}
	}
	if got := advised(s, saving()); got != "put h3 into standby" {
		t.Errorf("%s", got)
	}
}

// keptAwake is a schedule that keeps hosts awake for eight hours from then.
func keptAwake(begins time.Time, hosts ...string) []cluster.Awake {
	return []cluster.Awake{{Name: "office hours", Window: cluster.Window{Begins: once(begins), Lasts: 8 * time.Hour}, Hosts: hosts}}
}

type once time.Time

func (o once) Next(t time.Time) time.Time {
	if t.Before(time.Time(o)) {
		return time.Time(o)
	}
	return time.Time{}
}

func TestASchedulesHostsStayOnAndOthersSleep(t *testing.T) {
	s, p := idle(), saving()
	first := advised(s, p)
	host := strings.Fields(first)[1]
	p.Power.Awake = keptAwake(s.At.Add(-time.Minute), host)
	if got := advised(s, p); got == first || !strings.HasPrefix(got, "put h") {
		t.Errorf("%s is kept awake, and advised is: %s", host, got)
	}
	p.Power.Awake = keptAwake(s.At.Add(-9*time.Hour), host)
	if got := advised(s, p); got != first {
		t.Errorf("the window has closed: %s", got)
	}
}
