package recovery_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

const gib = 1 << 30

// bed is a cluster of three hosts with a tracker that has seen it, and a clock that goes by seconds.
type bed struct {
	t      *testing.T
	track  *recovery.Tracker
	now    time.Time
	hosts  map[string]*cluster.HostWatch
	rolls  map[string]cluster.Roll
	sizes  map[string]cluster.VM
	orders cluster.Orders
	tries  []recovery.Try
	policy recovery.Policy
	fences bool
	kept   bool
	guests map[string]cluster.GuestSigns
}

func newBed(t *testing.T) *bed {
	b := &bed{t: t, track: recovery.NewTracker(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), hosts: map[string]*cluster.HostWatch{}, rolls: map[string]cluster.Roll{},
		sizes: map[string]cluster.VM{}, fences: true, kept: true}
	b.policy = recovery.Policy{Tries: 3, BackOff: 10 * time.Second, FenceAfter: 5 * time.Second, QuarantineFailures: 2, QuarantineWindow: 24 * time.Hour,
		Plan: plan.Policy{Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, Lifetime: time.Minute}}
	for _, h := range []string{"h1", "h2", "h3"} {
		b.hosts[h] = &cluster.HostWatch{Host: h, Verdict: "alive", Libvirt: "yes", Heartbeat: "yes", Since: b.now}
		b.rolls[h] = cluster.Roll{Host: h}
	}
	return b
}

// say has the host's roll tell of the VM from now on; an empty name takes it from the roll.
func (b *bed) say(host, vm string, state cluster.VMState, reason string) {
	r := b.rolls[host]
	r.VMs = slices.DeleteFunc(slices.Clone(r.VMs), func(v cluster.VMSeen) bool { return v.VM == vm })
	if state != cluster.VMUnknown {
		r.VMs = append(r.VMs, cluster.VMSeen{VM: vm, Name: vm, State: state, Reason: reason})
	}
	b.rolls[host] = r
}

// vm has a VM run on the host.
func (b *bed) vm(host, vm string, change ...func(*cluster.VM)) {
	v := cluster.VM{ID: vm, Name: vm, Host: host, State: cluster.VMRunning, VCPUs: 1, MemoryBytes: 2 * gib, MemoryDemandBytes: gib, CPUDemandCores: 0.5, Movable: true}
	for _, c := range change {
		c(&v)
	}
	b.sizes[vm] = v
	b.say(host, vm, cluster.VMRunning, "booted")
}

func (b *bed) is(host, verdict string) {
	h := b.hosts[host]
	h.Verdict, h.Since = verdict, b.now
	h.Libvirt, h.Heartbeat = "no", "no"
	if verdict == "alive" {
		h.Libvirt, h.Heartbeat = "yes", "yes"
	}
}

func (b *bed) list() (hosts []cluster.HostWatch, rolls []cluster.Roll) {
	for _, name := range []string{"h1", "h2", "h3"} {
		h := b.hosts[name]
		h.LookedAt = b.now
		if h.Libvirt == "yes" {
			h.HeardAt = b.now
			r := b.rolls[name]
			r.At = b.now
			b.rolls[name] = r
		}
		hosts = append(hosts, *h)
		if !b.rolls[name].At.IsZero() {
			rolls = append(rolls, b.rolls[name])
		}
	}
	return hosts, rolls
}

func (b *bed) snapshot() cluster.Snapshot {
	s := cluster.Snapshot{Cluster: "c", At: b.now}
	for _, h := range []string{"h1", "h2", "h3"} {
		s.Hosts = append(s.Hosts, cluster.Host{ID: h, State: cluster.HostUp, CPUCores: 8, MemoryBytes: 16 * gib})
	}
	for _, v := range b.sizes {
		s.VMs = append(s.VMs, v)
	}
	s.Sort()
	return s
}

// after lets time go by, and looks.
func (b *bed) after(d time.Duration) {
	b.now = b.now.Add(d)
	hosts, rolls := b.list()
	b.track.See(rolls, hosts, b.orders, b.now)
}

// start is a bed on which everything has been seen running.
func (b *bed) seen() *bed {
	b.after(2 * time.Second)
	b.track.Remember(b.snapshot())
	b.after(2 * time.Second)
	return b
}

func (b *bed) decide() recovery.Decision { return recovery.Decide(b.track, b.view(), b.policy) }

func (b *bed) view() recovery.View {
	hosts, rolls := b.list()
	can := map[string]bool{"h1": b.fences, "h2": b.fences, "h3": b.fences}
	return recovery.View{Now: b.now, Snapshot: b.track.Down(b.snapshot()), Hosts: hosts, Rolls: rolls, Orders: b.orders, Tries: b.tries, Fenceable: can,
		Guests: b.guests, GuestsAt: b.now, Asked: recovery.Awaited(b.track, recovery.View{Now: b.now, Tries: b.tries}, b.policy), Kept: func(string) bool { return b.kept }}
}

func (b *bed) actions() []string {
	list := []string{}
	for _, r := range b.decide().Recommendations {
		if !r.AboutFailure() || r.ID == "" {
			b.t.Errorf("%s is no advice about a failure", r.Action)
		}
		list = append(list, r.Action.String())
	}
	return list
}

func (b *bed) want(actions ...string) {
	b.t.Helper()
	if got := b.actions(); !slices.Equal(got, actions) {
		b.t.Errorf("advice %q, want %q; waiting: %+v", got, actions, b.decide().Waiting)
	}
}

// waits wants no advice about the subject, and these words about why.
func (b *bed) waits(subject, words string, stuck bool) {
	b.t.Helper()
	d := b.decide()
	for _, w := range d.Waiting {
		if w.Subject == subject && strings.Contains(w.Reason, words) && w.Stuck == stuck {
			return
		}
	}
	b.t.Errorf("nothing waits for %s: %q (stuck: %v); waiting: %+v, advice: %v", subject, words, stuck, d.Waiting, b.actions())
}

func (b *bed) tried(kind cluster.Kind, vm, from, to string, result cluster.Result) {
	a := cluster.Action{Kind: kind, VM: vm, Name: vm, To: to}
	if kind != cluster.Start {
		a.From = from
	}
	b.tries = append(b.tries, recovery.Try{Action: a, From: from, At: b.now, Result: result, Reason: "so it is"})
}

func causes(b *bed) string {
	var list []string
	for _, t := range b.track.Troubles() {
		list = append(list, t.VM.ID+" "+t.Cause+" "+t.Host)
	}
	return strings.Join(list, ", ")
}

func TestWhatShouldRunAndDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(b *bed)
		want    string
	}{
		"nothing":                  {func(*bed) {}, ""},
		"the process dies":         {func(b *bed) { b.say("h1", "v", cluster.VMShutoff, "crashed") }, "v crashed h1"},
		"the guest panics":         {func(b *bed) { b.say("h1", "v", cluster.VMCrashed, "panicked") }, "v panicked h1"},
		"the storage fails":        {func(b *bed) { b.say("h1", "v", cluster.VMPaused, "ioerror") }, "v io-error h1"},
		"the host is off":          {func(b *bed) { b.is("h1", "dead") }, "v host-off h1"},
		"the host hangs":           {func(b *bed) { b.is("h1", "hung") }, ""},
		"the host is cut off":      {func(b *bed) { b.is("h1", "isolated") }, ""},
		"the host is back without": {func(b *bed) { b.say("h1", "v", cluster.VMShutoff, "") }, "v host-back h1"},
		"a person shuts it down":   {func(b *bed) { b.say("h1", "v", cluster.VMShutoff, "shutdown"); b.after(2); b.is("h1", "dead") }, ""},
		"a person destroys it": {func(b *bed) {
			b.say("h1", "v", cluster.VMShutoff, "destroyed")
			b.after(2)
			b.say("h1", "v", cluster.VMShutoff, "")
		}, ""},
		"a person suspends it": {func(b *bed) { b.say("h1", "v", cluster.VMPaused, "user") }, ""},
		"suspended, and the host is off": {func(b *bed) {
			b.say("h1", "v", cluster.VMPaused, "user")
			b.after(2 * time.Second)
			b.is("h1", "dead")
		}, ""},
		"suspended, and the host is back without": {func(b *bed) {
			b.say("h1", "v", cluster.VMPaused, "user")
			b.after(2 * time.Second)
			b.say("h1", "v", cluster.VMShutoff, "")
		}, ""},
		"migrated away": {func(b *bed) {
			b.say("h1", "v", cluster.VMShutoff, "migrated")
			b.say("h2", "v", cluster.VMRunning, "migrated")
			b.after(2 * time.Second)
			b.is("h1", "dead")
		}, ""},
		"migrated, and its new host fails": {func(b *bed) {
			b.say("h1", "v", cluster.VMUnknown, "")
			b.say("h2", "v", cluster.VMRunning, "migrated")
			b.after(2 * time.Second)
			b.is("h2", "dead")
		}, "v host-off h2"},
		"seen to come, and its new host fails before it is seen to run": {func(b *bed) {
			b.say("h2", "v", cluster.VMPaused, "migrating")
			b.after(2 * time.Second)
			b.say("h1", "v", cluster.VMShutoff, "migrated")
			b.is("h2", "dead")
		}, "v host-off h2"},
		"gone to a host that is not heard, and its old host fails": {func(b *bed) {
			b.is("h3", "isolated")
			b.after(2 * time.Second)
			b.say("h1", "v", cluster.VMShutoff, "migrated")
			b.after(2 * time.Second)
			b.is("h1", "dead")
		}, ""},
		"gone to a host that is not heard, and its old host is booted": {func(b *bed) {
			b.is("h3", "isolated")
			b.after(2 * time.Second)
			b.say("h1", "v", cluster.VMShutoff, "migrated")
			b.after(2 * time.Second)
			b.say("h1", "v", cluster.VMShutoff, "")
		}, ""},
		"undefined on its host, which fails": {func(b *bed) {
			b.say("h1", "v", cluster.VMUnknown, "")
			b.after(2 * time.Second)
			b.is("h1", "dead")
		}, ""},
		"waits for its memory at a target, and the source fails": {func(b *bed) {
			b.say("h2", "v", cluster.VMPaused, "migrating")
			b.after(2 * time.Second)
			b.is("h1", "dead")
		}, "v host-off h1"},
		"it fell with its host, which comes back without it": {func(b *bed) {
			b.is("h1", "dead")
			b.after(2 * time.Second)
			b.is("h1", "alive")
			b.say("h1", "v", cluster.VMUnknown, "")
		}, "v host-off h1"},
		"it fell, and a person took it away": {func(b *bed) {
			b.say("h1", "v", cluster.VMShutoff, "crashed")
			b.after(2 * time.Second)
			b.say("h1", "v", cluster.VMUnknown, "")
			b.after(2 * time.Minute)
		}, ""},
		"it fell, and a person started it": {func(b *bed) {
			b.say("h1", "v", cluster.VMShutoff, "crashed")
			b.after(2 * time.Second)
			b.say("h2", "v", cluster.VMRunning, "booted")
		}, ""},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			b := newBed(t)
			b.vm("h1", "v")
			b.seen()
			c.happens(b)
			b.after(2 * time.Second)
			b.after(2 * time.Second)
			if got := causes(b); got != c.want {
				t.Errorf("troubles %q, want %q", got, c.want)
			}
		})
	}
}

func TestAServerThatStartsLateKnowsWhatRanThere(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "runs")
	b.vm("h1", "stopped")
	b.is("h1", "dead")
	old := b.snapshot()
	b.now = b.now.Add(3 * time.Hour)
	v := b.sizes["stopped"]
	v.State = cluster.VMShutoff
	b.sizes["stopped"] = v
	v = b.sizes["runs"]
	v.MemoryBytes = 3 * gib
	b.sizes["runs"] = v
	b.track.Remember(b.snapshot()) // the nearest is looked at first
	b.track.Remember(old)
	b.after(2 * time.Second)
	if got := causes(b); got != "runs host-off h1" {
		t.Errorf("troubles %q: what a person stopped later must stay so", got)
	}
	if v := b.track.VM("runs"); v.MemoryBytes != 3*gib {
		t.Errorf("its memory is %d, from the older snapshot", v.MemoryBytes)
	}
}

func TestVMsOfAHostThatIsOffStartElsewhereThoseOfHighPriorityFirst(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "low", func(v *cluster.VM) { v.RestartPriority = "low" })
	b.vm("h1", "high", func(v *cluster.VM) { v.RestartPriority = "high" })
	b.vm("h1", "never", func(v *cluster.VM) { v.RestartPriority = cluster.RestartDisabled })
	b.vm("h2", "other")
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.want("start high on h3")
	b.waits("vm/low", "those above it come first", false)
	b.tried(cluster.Start, "high", "h1", "h3", cluster.ResultDone)
	b.say("h3", "high", cluster.VMRunning, "booted")
	v := b.sizes["high"]
	v.Host = "h3"
	b.sizes["high"] = v
	b.policy.Ready = 20 * time.Second
	b.after(2 * time.Second)
	b.want()
	b.after(20 * time.Second)
	if got := b.actions(); len(got) != 1 || !strings.HasPrefix(got[0], "start low on h") {
		t.Errorf("advice %q", got)
	}
}

func TestWhatCannotStartHoldsUpNobody(t *testing.T) {
	low, high := func(v *cluster.VM) { v.RestartPriority = "low" }, func(v *cluster.VM) { v.RestartPriority = "high" }
	t.Run("no-room", func(t *testing.T) {
		b := newBed(t)
		b.vm("h1", "huge", high, func(v *cluster.VM) { v.MemoryBytes = 15 * gib })
		b.vm("h2", "a", func(v *cluster.VM) { v.MemoryBytes = 4 * gib })
		b.vm("h3", "b", func(v *cluster.VM) { v.MemoryBytes = 6 * gib })
		b.vm("h1", "small", low)
		b.seen().is("h1", "dead")
		b.after(2 * time.Second)
		b.want("start small on h2")
		b.waits("vm/huge", "no host can take it", true)
	})
	t.Run("it-needs-one-of-lower-priority", func(t *testing.T) {
		b := newBed(t)
		b.vm("h1", "app", high)
		b.vm("h1", "db", low)
		b.policy.Dependencies = map[string][]string{"app": {"db"}}
		b.seen().is("h1", "dead")
		b.after(2 * time.Second)
		b.waits("vm/app", "it waits for db", false)
		if got := b.actions(); len(got) != 1 || !strings.HasPrefix(got[0], "start db") {
			t.Errorf("advice %q", got)
		}
	})
	t.Run("a-gate-keeps-it", func(t *testing.T) {
		b := newBed(t)
		b.vm("h1", "app", high)
		b.vm("h1", "db", low)
		b.seen().is("h1", "dead")
		b.after(2 * time.Second)
		if got := b.actions(); len(got) != 1 {
			t.Errorf("advice %q", got)
		}
		b.after(2 * time.Minute)
		if got := b.actions(); len(got) != 2 {
			t.Errorf("advice %q, want the lower one too after a while", got)
		}
	})
	t.Run("its-storage-is-gone", func(t *testing.T) {
		b := newBed(t)
		b.vm("h1", "app", low)
		b.vm("h2", "db", high)
		b.seen()
		b.say("h2", "db", cluster.VMPaused, "ioerror")
		b.is("h1", "dead")
		b.after(2 * time.Second)
		if got := b.actions(); len(got) != 2 || got[0] != "resume db on h2" {
			t.Errorf("advice %q", got)
		}
	})
}

func TestDependenciesWaitUntilWhatTheyNeedIsReady(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "app")
	b.vm("h1", "db")
	b.policy.Dependencies, b.policy.Ready = map[string][]string{"app": {"db"}}, 30*time.Second
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.waits("vm/app", "it waits for db", false)
	b.say("h2", "db", cluster.VMRunning, "booted")
	b.after(2 * time.Second)
	b.waits("vm/app", "it waits for db", false)
	b.after(30 * time.Second)
	if got := b.actions(); len(got) != 1 || !strings.HasPrefix(got[0], "start app") {
		t.Errorf("advice %q", got)
	}
}

func TestWhatFailsIsTriedAgainLaterElsewhereAndNotForever(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen()
	b.say("h1", "v", cluster.VMShutoff, "crashed")
	b.after(2 * time.Second)
	b.want("start v on h1") // in place first
	b.tried(cluster.Start, "v", "h1", "h1", cluster.ResultFailed)
	b.after(5 * time.Second)
	b.waits("vm/v", "tried again after 10s", false)
	b.after(6 * time.Second)
	b.want("start v on h2")
	b.tried(cluster.Start, "v", "h1", "h2", cluster.ResultFailed)
	b.after(11 * time.Second)
	b.waits("vm/v", "tried again after 20s", false)
	b.after(10 * time.Second)
	b.want("start v on h3")
	b.tried(cluster.Start, "v", "h1", "h3", cluster.ResultFailed)
	b.after(time.Hour)
	b.waits("vm/v", "starting it failed 3 times", true)
	b.want()
}

// A VM goes to a host that is not heard, and its guest panics there.
func TestAVMThatStoppedWhereItWentUnseenIsStarted(t *testing.T) {
	for why, want := range map[string]string{"crashed": "start v on h3", "shutdown": ""} {
		b := newBed(t)
		b.vm("h1", "v")
		b.seen().is("h3", "isolated")
		b.after(2 * time.Second)
		b.say("h1", "v", cluster.VMShutoff, "migrated")
		b.after(2 * time.Second)
		b.is("h1", "dead")
		b.after(time.Minute)
		b.want()
		b.is("h3", "alive")
		b.say("h3", "v", cluster.VMShutoff, why)
		b.after(2 * time.Second)
		if want == "" {
			b.want()
		} else {
			b.want(want)
		}
	}
}

// A host that hung when the server ended is back. That its VMs are off is read before it has called its roll.
func TestWhatAHostRanWhenTheServerEndedIsNotForgottenForASnapshot(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen()
	memory := b.track.Memory(b.now)
	b.track = recovery.NewTracker()
	b.now = b.now.Add(5 * time.Minute)
	if !b.track.Recall(memory, b.now) {
		t.Fatal("it is not taken over")
	}
	b.say("h1", "v", cluster.VMShutoff, "")
	s := b.snapshot()
	for i := range s.VMs {
		s.VMs[i].Host, s.VMs[i].State = "h1", cluster.VMShutoff
	}
	b.track.Remember(s)
	b.after(2 * time.Second)
	b.want("start v on h1")
}

func TestAVMThatNobodyKnowsAnyMoreTakesNoRoom(t *testing.T) {
	b := newBed(t)
	b.kept = false
	b.vm("h1", "v")
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.waits("vm/v", "no definition of it is kept", true)
	b.is("h1", "alive")
	r := b.rolls["h1"]
	r.VMs = nil
	b.rolls["h1"] = r
	b.after(2 * time.Second)
	b.waits("vm/v", "h1 knows it no longer", true)
	b.want()
}

// Its storage failed, and then its host hung and came back: there is nothing left to be resumed.
func TestAPausedVMThatItsHostLostIsStarted(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen()
	b.say("h1", "v", cluster.VMPaused, "ioerror")
	b.after(2 * time.Second)
	b.want("resume v on h1")
	b.is("h1", "hung")
	b.after(10 * time.Minute)
	b.is("h1", "alive")
	b.say("h1", "v", cluster.VMShutoff, "")
	b.after(2 * time.Second)
	b.want("start v on h1")
}

// A server that was restarted while Prometheus was dead knows a VM by its name alone. It may be one that is not to be started.
func TestAVMOfWhichNothingIsKnownWaits(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.after(2 * time.Second)
	b.say("h1", "v", cluster.VMShutoff, "crashed")
	b.after(2 * time.Second)
	b.waits("vm/v", "nothing is known yet of its size and its priority", false)
	b.want()
	b.track.Remember(b.snapshot())
	b.after(2 * time.Second)
	b.want("start v on h1")
}

func TestWhatWasGivenUpIsTriedOnAHostThatCameBack(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen().is("h1", "dead")
	b.is("h3", "dead")
	b.after(2 * time.Second)
	for range 3 {
		b.tried(cluster.Start, "v", "h1", "h2", cluster.ResultFailed)
		b.after(5 * time.Minute)
	}
	b.waits("vm/v", "starting it failed 3 times", true)
	b.is("h3", "alive")
	b.after(2 * time.Second)
	b.want("start v on h3")
	b.tried(cluster.Start, "v", "h1", "h3", cluster.ResultFailed)
	b.after(time.Hour)
	b.waits("vm/v", "starting it failed 4 times", true)
}

func TestWhatWasDoneAMomentAgoIsNotDoneAgain(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.tried(cluster.Start, "v", "h1", "h2", cluster.ResultDone)
	b.waits("vm/v", "has not called its roll since", false)
	b.tries = nil
	b.tried(cluster.Start, "v", "h1", "h2", cluster.ResultUnknown)
	b.waits("vm/v", "nobody knows what came of starting it", true)
}

func TestAVMStartsOnlyWhereItCan(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v", func(v *cluster.VM) { v.Movable, v.ImmovableReason = false, "its disk /v.img is not shared" })
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.waits("vm/v", "no host can take it", true)
	b.is("h1", "alive")
	b.say("h1", "v", cluster.VMShutoff, "")
	b.after(2 * time.Second)
	b.want("start v on h1")

	c := newBed(t)
	c.vm("h1", "v")
	c.kept = false
	c.seen().is("h1", "dead")
	c.after(2 * time.Second)
	c.waits("vm/v", "no definition of it is kept", true)
	c.is("h1", "alive")
	c.say("h1", "v", cluster.VMShutoff, "")
	c.after(2 * time.Second)
	c.want("start v on h1")

	p := newBed(t)
	p.vm("h1", "v")
	p.seen()
	p.say("h1", "v", cluster.VMCrashed, "panicked")
	p.after(2 * time.Second)
	p.tried(cluster.Start, "v", "h1", "h1", cluster.ResultFailed)
	p.after(11 * time.Second)
	p.want("start v on h1") // what is left of it has its disks open
}

func TestNothingStartsOnAHostThatFailsOften(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen()
	for range 2 {
		b.is("h2", "dead")
		b.after(2 * time.Second)
		b.is("h2", "alive")
		b.after(2 * time.Second)
	}
	b.vm("h3", "w", func(v *cluster.VM) { v.MemoryBytes = 10 * gib })
	b.after(2 * time.Second)
	b.is("h1", "dead")
	b.after(2 * time.Second)
	b.want("start v on h3")
	b.after(25 * time.Hour)
	b.want("start v on h2")
}

func TestNothingStartsOnAHostThatPrometheusTakesForAlive(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.vm("h2", "x")
	b.vm("h3", "y")
	b.seen().is("h1", "dead") // and is up in the snapshot, and emptier than the others
	b.after(2 * time.Second)
	b.want("start v on h2")
}

func TestDisarmedNothingIsDone(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen()
	b.orders = cluster.Orders{{Kind: cluster.OrderDisarm, Subject: "cluster", Word: cluster.Approval{Who: "anna", At: b.now}}}
	b.is("h1", "hung")
	b.after(20 * time.Second)
	b.waits("host/h1", "anna disarmed cluster", true)
	b.is("h1", "dead")
	b.after(2 * time.Second)
	b.waits("vm/v", "anna disarmed cluster", true)
	b.want()
}

func TestOnlyWhatHangsIsTurnedOff(t *testing.T) {
	for _, verdict := range []string{"alive", "exporter-lost", "libvirt-lost", "isolated", "blind", "dead"} {
		b := newBed(t)
		b.vm("h1", "v", func(v *cluster.VM) { v.MemoryBytes = 15.5 * gib })
		b.seen().is("h1", verdict)
		b.after(time.Minute)
		b.want()
	}
	for _, verdict := range []string{"hung", "unproven"} {
		b := newBed(t)
		b.vm("h1", "v")
		b.seen().is("h1", verdict)
		b.is("h2", "hung") // nothing runs there
		b.after(3 * time.Second)
		b.waits("host/h1", "it is turned off when it has been "+verdict+" for 5s", false)
		b.after(3 * time.Second)
		b.want("turn h1 off")
		b.tried(cluster.Fence, "", "h1", "", cluster.ResultFailed)
		b.after(3 * time.Second)
		b.waits("host/h1", "tried again after 10s", false)
		b.tried(cluster.Fence, "", "h1", "", cluster.ResultFailed)
		b.tried(cluster.Fence, "", "h1", "", cluster.ResultFailed)
		b.after(time.Hour)
		b.waits("host/h1", "evenkeel fence confirm h1", true)
		b.want()
		b.tries, b.fences = nil, false
		b.waits("host/h1", "nothing can turn it off", true)
	}
}

func TestAHostThatBootsIsNotTurnedOff(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v", func(v *cluster.VM) { v.Movable, v.ImmovableReason = false, "its disk /v.img is not shared" })
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.is("h1", "hung") // a person turned it on
	b.after(time.Minute)
	b.waits("host/h1", "may be booting", false)
	b.after(10 * time.Minute)
	b.want("turn h1 off")
}

func TestAHostIsTurnedOffForWhatWasStartedThereAMomentAgo(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.is("h2", "hung")
	b.tried(cluster.Start, "v", "h1", "h2", cluster.ResultUnknown)
	b.after(6 * time.Second)
	b.want("turn h2 off")
}

func TestAPersonsWordProvesThatAHostIsOff(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen().is("h1", "unproven")
	b.after(time.Minute)
	b.orders = cluster.Orders{{Kind: cluster.OrderOff, Subject: "host/h1", Word: cluster.Approval{Who: "anna", At: b.now}}}
	b.after(2 * time.Second)
	if got := causes(b); got != "v host-off h1" {
		t.Errorf("troubles %q", got)
	}
}

func TestWhatAFailedHostStillKnowsIsTakenAway(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.tried(cluster.Start, "v", "h1", "h2", cluster.ResultDone)
	b.say("h2", "v", cluster.VMRunning, "booted")
	v := b.sizes["v"]
	v.Host = "h2"
	b.sizes["v"] = v
	b.after(2 * time.Second)
	b.want() // it is not heard
	b.is("h1", "alive")
	b.say("h1", "v", cluster.VMShutoff, "")
	b.after(2 * time.Second)
	b.want("take the definition of v away from h1")
	for _, left := range []cluster.VMState{cluster.VMRunning, cluster.VMCrashed} { // it is not for us to end it
		b.say("h1", "v", left, "")
		b.after(2 * time.Second)
		b.want()
	}
	b.say("h1", "v", cluster.VMUnknown, "")
	b.after(2 * time.Second)
	b.want()
}

func TestAVMWhoseStorageFailedIsResumedMoreAndMoreSeldom(t *testing.T) {
	b := newBed(t)
	b.vm("h1", "v")
	b.seen()
	b.say("h1", "v", cluster.VMPaused, "ioerror")
	b.after(2 * time.Second)
	b.want("resume v on h1")
	resumes := 0
	for range 600 { // twenty minutes in which it runs for a look each time, and is paused again
		if slices.Contains(b.actions(), "resume v on h1") {
			resumes++
			b.tried(cluster.Resume, "v", "h1", "", cluster.ResultDone)
			b.say("h1", "v", cluster.VMRunning, "unpaused")
			b.after(2 * time.Second)
			b.say("h1", "v", cluster.VMPaused, "ioerror")
		}
		b.after(2 * time.Second)
	}
	if resumes < 3 || resumes > 15 {
		t.Errorf("it was resumed %d times", resumes)
	}
}
