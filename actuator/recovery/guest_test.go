package recovery_test

import (
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// hangs gives a VM the signs of a guest that hangs, silent for so long.
func (b *bed) hangs(vm string, silent time.Duration, change ...func(*cluster.GuestSigns)) {
	s := cluster.GuestSigns{VM: vm, Connected: true, SilentSeconds: cluster.Known(silent.Seconds()), DiskRequests: cluster.Known(0), PacketsSent: cluster.Known(0), VCPUs: []float64{0.01, 0.99}}
	for _, c := range change {
		c(&s)
	}
	if b.guests == nil {
		b.guests = map[string]cluster.GuestSigns{}
	}
	b.guests[vm] = s
}

// watching is a bed with one VM, which has run for an hour, and guests that are watched at the preset.
func watching(t *testing.T, preset string) *bed {
	b := newBed(t)
	b.policy.Guests = recovery.Guests{Default: recovery.Sensitivities()[preset], Window: 2 * time.Minute, AtOnce: 3}
	b.vm("h1", "web1")
	b.seen().after(time.Hour)
	return b
}

func TestAGuestThatHangsIsReset(t *testing.T) {
	b := watching(t, "medium")
	b.hangs("web1", 61*time.Second)
	b.want("reset web1 on h1")
	got := b.decide().Recommendations[0]
	if !got.OfHungGuest() || got.Policy != "reset" || got.Priority != 2 || len(got.Because[0].Evidence) != 4 {
		t.Errorf("got %+v", got)
	}
	for _, e := range got.Because[0].Evidence {
		if e.Query == "" {
			t.Errorf("%s has no query", e.Name)
		}
	}
}

func TestWhatAGuestThatHangsMustShow(t *testing.T) {
	cases := []struct {
		name   string
		set    func(b *bed)
		resets bool
		says   string
		stuck  bool
	}{
		{name: "high: 31 s", set: func(b *bed) {
			b.policy.Guests.Default = recovery.Sensitivities()["high"]
			b.hangs("web1", 31*time.Second)
		}, resets: true},
		{name: "low: 121 s", set: func(b *bed) {
			b.policy.Guests.Default = recovery.Sensitivities()["low"]
			b.hangs("web1", 121*time.Second)
		}, resets: true},
		{name: "low: 119 s", set: func(b *bed) {
			b.policy.Guests.Default = recovery.Sensitivities()["low"]
			b.hangs("web1", 119*time.Second)
		}},
		{name: "not watched", set: func(b *bed) {
			b.policy.Guests.VMs = map[string]recovery.Sensitivity{"web1": {}}
			b.hangs("web1", time.Hour)
		}},
		{name: "watched for itself", set: func(b *bed) {
			b.policy.Guests.Default, b.policy.Guests.VMs = recovery.Sensitivity{}, map[string]recovery.Sensitivity{"web1": recovery.Sensitivities()["high"]}
			b.hangs("web1", 31*time.Second)
		}, resets: true},
		{name: "too short", set: func(b *bed) { b.hangs("web1", 59*time.Second) }},
		{name: "the agent was stopped", set: func(b *bed) { b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.Connected = false }) }},
		{name: "it answers", set: func(b *bed) { b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.Answers = true }) }},
		{name: "it has a device that nobody sees into", set: func(b *bed) {
			b.sizes["web1"] = cluster.VM{ID: "web1", Name: "web1", Host: "h1", State: cluster.VMRunning, VCPUs: 1, MemoryBytes: gib, ImmovableReason: "it has a passed-through device"}
			b.track.Remember(b.snapshot())
			b.hangs("web1", time.Hour)
		}, says: "cannot be seen"},
		{name: "nobody knows for how long", set: func(b *bed) {
			b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.SilentSeconds = cluster.Number{} })
		}},
		{name: "it uses its disk", set: func(b *bed) {
			b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.DiskRequests = cluster.Known(1) })
		}},
		{name: "nobody knows of its disk", set: func(b *bed) {
			b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.DiskRequests = cluster.Number{} })
		}},
		{name: "it sends", set: func(b *bed) {
			b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.PacketsSent = cluster.Known(3) })
		}, says: "it still sends, so it lives: 3 packets in 2m0s"},
		{name: "nobody knows what it sends", set: func(b *bed) {
			b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.PacketsSent = cluster.Number{} })
		}, says: "cannot be told"},
		{name: "nobody knows what it computes", set: func(b *bed) {
			b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.VCPUs = nil })
		}, says: "cannot be told"},
		{name: "it computes", set: func(b *bed) {
			b.hangs("web1", time.Hour, func(s *cluster.GuestSigns) { s.VCPUs = []float64{0.01, 0.4} })
		}, says: "its vCPU 1 ran for 40% of the last 2m0s"},
		{name: "a person paused it", set: func(b *bed) {
			b.say("h1", "web1", cluster.VMPaused, "user")
			b.after(2 * time.Second)
			b.hangs("web1", time.Hour)
		}},
		{name: "it does not run", set: func(b *bed) {
			b.say("h1", "web1", cluster.VMShutoff, "shutdown")
			b.after(2 * time.Second)
			b.hangs("web1", time.Hour)
		}},
		{name: "nobody has heard of it", set: func(b *bed) { b.hangs("other", time.Hour) }},
		{name: "it was reset a moment ago", set: func(b *bed) {
			b.hangs("web1", time.Hour)
			b.tried(cluster.Reset, "web1", "h1", "", cluster.ResultDone)
			b.after(239 * time.Second)
		}, says: "and is reset when that is 4m0s"},
		{name: "it was reset a while ago", set: func(b *bed) {
			b.hangs("web1", time.Hour)
			b.tried(cluster.Reset, "web1", "h1", "", cluster.ResultDone)
			b.after(241 * time.Second)
		}, resets: true},
		{name: "resetting it failed a moment ago", set: func(b *bed) {
			b.hangs("web1", time.Hour)
			b.tried(cluster.Reset, "web1", "h1", "", cluster.ResultFailed)
			b.after(5 * time.Second)
		}, says: "resetting it failed"},
		{name: "resetting it failed a while ago", set: func(b *bed) {
			b.hangs("web1", time.Hour)
			b.tried(cluster.Reset, "web1", "h1", "", cluster.ResultFailed)
			b.after(11 * time.Second)
		}, resets: true},
		{name: "resetting it fails always", set: func(b *bed) {
			b.hangs("web1", time.Hour)
			for range 3 {
				b.tried(cluster.Reset, "web1", "h1", "", cluster.ResultFailed)
			}
			b.after(time.Hour)
		}, says: "resetting it failed 3 times", stuck: true},
		{name: "three times within a day", set: func(b *bed) {
			b.hangs("web1", time.Hour)
			for range 3 {
				b.tried(cluster.Reset, "web1", "h1", "", cluster.ResultDone)
				b.after(7 * time.Hour)
			}
		}, says: "it was reset 3 times within 24h0m0s", stuck: true},
		{name: "three times in more than a day", set: func(b *bed) {
			b.hangs("web1", time.Hour)
			for range 3 {
				b.tried(cluster.Reset, "web1", "h1", "", cluster.ResultDone)
				b.after(9 * time.Hour)
			}
		}, resets: true},
		{name: "disarmed", set: func(b *bed) {
			b.hangs("web1", time.Hour)
			b.orders = cluster.Orders{{Kind: cluster.OrderDisarm, Subject: "cluster", Word: cluster.Approval{Who: "anna"}}}
		}, says: "disarmed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := watching(t, "medium")
			c.set(b)
			if c.resets {
				b.want("reset web1 on h1")
				return
			}
			b.want()
			if c.says == "" {
				if w := b.decide().Waiting; len(w) > 0 {
					t.Errorf("it is told that %+v", w)
				}
				return
			}
			b.waits("vm/web1", c.says, c.stuck)
		})
	}
}

func TestWhenManyGuestsFallSilentNoneIsReset(t *testing.T) {
	b := watching(t, "medium")
	for _, vm := range []string{"web2", "web3", "web4"} {
		b.vm("h2", vm)
	}
	b.seen().after(time.Hour)
	for _, vm := range []string{"web1", "web2", "web3"} {
		b.hangs(vm, 2*time.Minute)
	}
	b.want("reset web1 on h1", "reset web2 on h2", "reset web3 on h2")
	b.hangs("web4", 20*time.Second) // which is not long enough by itself
	b.want()
	b.waits("vm/web1", "4 guests fell silent or were reset within 10 minutes: look at what they share", true)
	delete(b.guests, "web4")
	b.tried(cluster.Reset, "web4", "h2", "", cluster.ResultDone)
	b.after(9 * time.Minute)
	b.want() // web4 boots, which makes no room for the next
	b.after(2 * time.Minute)
	b.want("reset web1 on h1", "reset web2 on h2", "reset web3 on h2")
	b.hangs("web4", time.Minute, func(s *cluster.GuestSigns) { s.DiskRequests = cluster.Known(9) }) // which it has used before the storage stalled
	b.want()
	b.hangs("web4", time.Hour, func(s *cluster.GuestSigns) { s.DiskRequests = cluster.Known(9) }) // its agent does not work, and it does
	b.want("reset web1 on h1", "reset web2 on h2", "reset web3 on h2")
	b.hangs("web4", time.Hour)
	b.policy.Guests.AtOnce = 0
	b.want("reset web1 on h1", "reset web2 on h2", "reset web3 on h2", "reset web4 on h2")
}

func TestWhatNeedsAVMWaitsForItsAgent(t *testing.T) {
	b := newBed(t)
	b.policy.Dependencies = map[string][]string{"web1": {"db1"}}
	b.policy.Ready, b.policy.AwaitAgent = 5*time.Second, time.Minute
	b.vm("h1", "web1")
	b.vm("h1", "db1")
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.want("start db1 on h2")
	b.tried(cluster.Start, "db1", "h1", "h2", cluster.ResultDone)
	b.say("h2", "db1", cluster.VMRunning, "booted")
	b.after(2 * time.Second)
	b.after(6 * time.Second)
	if got := recovery.Awaited(b.track, recovery.View{Now: b.now, Tries: b.tries}, b.policy); !slices.Equal(got, []string{"db1"}) {
		t.Errorf("it is asked for %v", got)
	}
	b.want() // nobody can tell
	b.guests = map[string]cluster.GuestSigns{"db1": {VM: "db1", Connected: true}}
	b.want()
	b.waits("vm/web1", "it waits for db1", false)
	b.guests["db1"] = cluster.GuestSigns{VM: "db1", Connected: true, Answers: true}
	b.want("start web1 on h2")
	delete(b.guests, "db1") // it has no agent
	b.want("start web1 on h2")
	b.guests["db1"] = cluster.GuestSigns{VM: "db1"}
	b.want()
	b.after(time.Minute) // which is long enough
	b.want("start web1 on h2")
}

// Signs that were asked for before the VM was started, or of others, do not have it: that is not that it has no agent.
func TestNoSignMeansNoAgentOnlyWhereItWasAskedFor(t *testing.T) {
	b := newBed(t)
	b.policy.Dependencies = map[string][]string{"web1": {"db1"}}
	b.policy.AwaitAgent = time.Minute
	b.vm("h1", "web1")
	b.vm("h1", "db1")
	b.seen().is("h1", "dead")
	b.after(2 * time.Second)
	b.guests = map[string]cluster.GuestSigns{}
	b.tried(cluster.Start, "db1", "h1", "h2", cluster.ResultDone)
	b.say("h2", "db1", cluster.VMRunning, "booted")
	b.after(2 * time.Second)
	view := b.view()
	for name, c := range map[string]struct {
		at     time.Time
		asked  []string
		starts bool
	}{
		"asked for since":  {b.now, []string{"db1"}, true},
		"asked before":     {b.now.Add(-time.Hour), []string{"db1"}, false},
		"others asked for": {b.now, []string{"web9"}, false},
	} {
		view.GuestsAt, view.Asked = c.at, c.asked
		if got := recovery.Decide(b.track, view, b.policy).Recommendations; (len(got) == 1) != c.starts {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
