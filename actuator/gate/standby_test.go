package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// tired is a question about putting h1 into standby, in which all is well.
func tired() gate.Question {
	q := of(cluster.Maintenance)
	q.Rec.Action.Kind, q.Rec.Policy = cluster.Standby, "standby"
	q.Policy.Standby = gate.Standby{MinHostsOn: 2, MaxProofAge: 90 * 24 * time.Hour}
	q.Rest.Proof = cluster.WakeProof{Host: "h1", At: q.Now.Add(-24 * time.Hour), Woke: true, Seconds: 90}
	return q
}

// sleeping is a question about waking h1, in which all is well.
func sleeping() gate.Question {
	q := tired()
	q.Rec.Action.Kind, q.Rec.Policy = cluster.Wake, "wake"
	q.Snapshot.Hosts[0].State = cluster.HostStandby
	q.Snapshot.Gaps = []cluster.Gap{{Subject: "host/h1", Reason: "Prometheus holds no present data of it"}}
	q.Orders = cluster.Orders{{Kind: cluster.OrderStandby, Subject: "host/h1", Word: cluster.Approval{Who: "ann", At: q.Now.Add(-time.Hour)},
		Rest: cluster.Rest{Down: q.Now.Add(-59 * time.Minute), Asleep: q.Now.Add(-58 * time.Minute)}}}
	q.Watch = []cluster.HostWatch{{Host: "h1", Verdict: "dead", LookedAt: q.Now}}
	return q
}

func TestAHostGoesIntoStandbyAndIsWokenWhenAllIsWell(t *testing.T) {
	test := tired()
	test.Rec.Action.Test, test.Rest.Proof = true, cluster.WakeProof{}
	empty := tired()
	empty.Snapshot.Hosts[0].State = cluster.HostMaintenance
	for name, q := range map[string]gate.Question{"standby": tired(), "a test of one that was never woken": test, "one in maintenance": empty, "wake": sleeping()} {
		if no := gate.Refusals(gate.Ask(gate.All(), q)); len(no) > 0 {
			t.Errorf("%s: %+v", name, no)
		}
	}
}

func TestAHostIsLeftOn(t *testing.T) {
	for name, c := range map[string]struct {
		spoil          func(*gate.Question)
		reason, detail string
	}{
		"no way to wake it":               {func(q *gate.Question) { q.Rest.NoWay = "h1 has no fence" }, "no-way", "no fence"},
		"nobody can tell":                 {func(q *gate.Question) { q.Rest.Unknown = "no planner" }, "cannot-tell", "no planner"},
		"it was never woken":              {func(q *gate.Question) { q.Rest.Proof = cluster.WakeProof{} }, "unproven", "evenkeel standby test h1"},
		"it did not wake the last time":   {func(q *gate.Question) { q.Rest.Proof.Woke = false }, "unproven", "could not be woken"},
		"that was long ago":               {func(q *gate.Question) { q.Rest.Proof.At = q.Now.Add(-91 * 24 * time.Hour) }, "unproven", "longer ago than"},
		"a VM cannot leave it":            {func(q *gate.Question) { q.Rest.Stay = "db1 has a local disk" }, "immovable", "db1"},
		"the cluster needs it":            {func(q *gate.Question) { q.Rest.Reserve = "h2 could fail" }, "reserve", "h2 could fail"},
		"too few would be left on":        {func(q *gate.Question) { q.Policy.Standby.MinHostsOn = 3 }, "min-hosts", "2 hosts would be left on, and 3"},
		"one of the others is on its way": {func(q *gate.Question) { q.Orders = sleeping().Orders; q.Orders[0].Subject = "host/h2" }, "min-hosts", "1 hosts would be left on"},
		"one of the others is not up":     {func(q *gate.Question) { q.Snapshot.Hosts[2].State = cluster.HostDown }, "min-hosts", "1 hosts"},
		"no majority of a quorum would be on": {func(q *gate.Question) {
			q.Policy.Standby.Quorums = []cluster.Quorum{{"h1", "h2", "h9"}}
		}, "quorum", "no majority of h1, h2, h9"},
		"it is in standby already":           {func(q *gate.Question) { q.Orders = sleeping().Orders }, "there-already", "ann"},
		"it is down":                         {func(q *gate.Question) { q.Snapshot.Hosts[0].State = cluster.HostDown }, "not-up", "h1 is down"},
		"it is a VM that is meant":           {func(q *gate.Question) { q.Rec.Action.VM = "v1" }, "unknown-action", ""},
		"a test: the cluster needs it":       {func(q *gate.Question) { q.Rec.Action.Test, q.Rest.Reserve = true, "h2 could fail" }, "reserve", ""},
		"a test: there is no way to wake it": {func(q *gate.Question) { q.Rec.Action.Test, q.Rest.NoWay = true, "no fence" }, "no-way", ""},
	} {
		q := tired()
		c.spoil(&q)
		if v := verdictOf(q, "world"); v.Pass || v.Reason != c.reason || !strings.Contains(v.Detail, c.detail) {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestAHostIsLeftOff(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*gate.Question)
		reason string
	}{
		"somebody else turned it off": {func(q *gate.Question) { q.Orders = nil }, "not-ours"},
		"it is on its way":            {func(q *gate.Question) { q.Orders[0].Rest.Asleep = time.Time{} }, "not-off"},
		"it is on":                    {func(q *gate.Question) { q.Watch[0].Verdict, q.Watch[0].HeardAt = "alive", q.Now }, "there-already"},
		"it went off a moment ago, and the watch has yet to notice": {func(q *gate.Question) {
			q.Watch[0].Verdict, q.Watch[0].HeardAt = "alive", q.Orders[0].Rest.Asleep.Add(-time.Second)
		}, ""},
		"no way to wake it":        {func(q *gate.Question) { q.Rest.NoWay = "h1 has no fence" }, "no-way"},
		"it is a VM that is meant": {func(q *gate.Question) { q.Rec.Action.To = "h2" }, "unknown-action"},
	} {
		q := sleeping()
		c.spoil(&q)
		if v := verdictOf(q, "world"); v.Pass != (c.reason == "") || !v.Pass && v.Reason != c.reason {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// Who puts a host into standby says yes to emptying it, and to waking it when they said so.
func TestTheYesToStandbyCoversWhatItTakes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*gate.Question)
		pass   bool
	}{
		"emptying it":              {func(q *gate.Question) { q.Rec.Policy, q.Rec.Action.Kind = "evacuate", cluster.Migrate }, true},
		"balancing it":             {func(q *gate.Question) { q.Rec.Policy, q.Rec.Action.Kind = "balance", cluster.Migrate }, false},
		"waking it at once":        {func(*gate.Question) {}, false},
		"waking it after the test": {func(q *gate.Question) { q.Orders[0].Rest.Test = true }, true},
		"waking it at its time":    {func(q *gate.Question) { q.Orders[0].Rest.WakeAt = q.Now }, true},
		"waking it before":         {func(q *gate.Question) { q.Orders[0].Rest.WakeAt = q.Now.Add(time.Minute) }, false},
	} {
		q := sleeping()
		q.Approval, q.Policy.Level = nil, cluster.LevelManual
		c.change(&q)
		if v := verdictOf(q, "approval"); v.Pass != c.pass {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// Waking gives back what was taken, and a host is emptied wholly or not at all.
func TestWhatHostsThatSleepNeedNotWaitFor(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(*gate.Question)
		budget, storm bool
	}{
		"waking":               {func(*gate.Question) {}, true, true},
		"falling asleep":       {func(q *gate.Question) { q.Rec.Action.Kind = cluster.Standby }, false, false},
		"emptying for standby": {func(q *gate.Question) { q.Rec.Policy, q.Rec.Action.Kind = "evacuate", cluster.Migrate }, true, false},
		"emptying for maintenance": {func(q *gate.Question) {
			q.Rec.Policy, q.Rec.Action.Kind, q.Orders[0].Kind = "evacuate", cluster.Migrate, cluster.OrderMaintenance
		}, true, false},
		"emptying without an order": {func(q *gate.Question) { q.Rec.Policy, q.Rec.Action.Kind, q.Orders = "evacuate", cluster.Migrate, nil }, false, false},
		"balancing what is emptied": {func(q *gate.Question) { q.Rec.Policy, q.Rec.Action.Kind = "balance", cluster.Migrate }, false, false},
	} {
		q := sleeping()
		q.Approval, q.Policy.Level = nil, cluster.LevelFull
		q.Policy.ActionsPerHour, q.Begun = 1, []gate.Begun{{At: q.Now}}
		q.Policy.StormFailures, q.Policy.StormWindow, q.Storm = 1, time.Hour, []time.Time{q.Now.Add(-time.Minute)}
		c.change(&q)
		if v := verdictOf(q, "budget"); v.Pass != c.budget {
			t.Errorf("%s: %+v", name, v)
		}
		if v := verdictOf(q, "storm"); v.Pass != c.storm {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// A host that waits until it is empty does not hold up the moves that empty it, and one host at a time is put into standby.
func TestWhatMayGoOnBesideStandby(t *testing.T) {
	standby := func(host string) cluster.Action { return cluster.Action{Kind: cluster.Standby, From: host} }
	move := cluster.Action{Kind: cluster.Migrate, VM: "v1", From: "h1", To: "h2"}
	wake := cluster.Action{Kind: cluster.Wake, From: "h3"}
	p := gate.Policy{Parallel: gate.Parallel{Cluster: 1, Host: 1, Link: 1}}
	for name, c := range map[string]struct {
		flying []cluster.Action
		act    cluster.Action
		free   bool
	}{
		"a move away while the host waits": {[]cluster.Action{standby("h1")}, move, true},
		"standby while something moves":    {[]cluster.Action{move}, standby("h1"), true},
		"a second host":                    {[]cluster.Action{standby("h1")}, standby("h2"), false},
		"the same host":                    {[]cluster.Action{standby("h1")}, standby("h1"), false},
		"waking beside all of it":          {[]cluster.Action{standby("h1"), move}, wake, true},
		"a move while a host wakes":        {[]cluster.Action{wake}, move, true},
		"a second move":                    {[]cluster.Action{wake, move}, cluster.Action{Kind: cluster.Migrate, VM: "v2", From: "h3", To: "h4"}, false},
	} {
		if why := gate.Crowded(p, c.flying, c.act); (why == "") != c.free {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func verdictOf(q gate.Question, name string) cluster.Verdict {
	for _, v := range gate.Ask(gate.All(), q) {
		if v.Gate == name {
			return v
		}
	}
	return cluster.Verdict{}
}

func TestAScheduleKeepsAHostAwakeWhoeverAsks(t *testing.T) {
	now := tired().Now
	in := func(began, lasts time.Duration, hosts ...string) []cluster.Awake {
		return []cluster.Awake{{Name: "office hours", Window: cluster.Window{Begins: every{now.Add(-began)}, Lasts: lasts}, Hosts: hosts}}
	}
	test := tired()
	test.Rec.Action.Test = true
	for name, q := range map[string]gate.Question{"a person": tired(), "a test": test} {
		q.Policy.Awake = in(0, time.Hour, "h1")
		if v := verdictOf(q, "schedule"); v.Pass || v.Reason != "kept-awake" || !v.RetryAfter.Equal(now.Add(time.Hour)) || !strings.Contains(v.Detail, "schedule office hours keeps h1 awake until") {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for name, c := range map[string]struct {
		awake []cluster.Awake
		pass  bool
	}{
		"all hosts":               {in(time.Minute, time.Hour), false},
		"another host":            {in(time.Minute, time.Hour, "h2"), true},
		"before the window":       {in(-time.Second, time.Hour), true},
		"when it begins":          {in(0, time.Hour), false},
		"at its last second":      {in(time.Hour-time.Second, time.Hour), false},
		"when it has just closed": {in(time.Hour, time.Hour), true},
	} {
		q := tired()
		q.Policy.Awake = c.awake
		if v := verdictOf(q, "schedule"); v.Pass != c.pass {
			t.Errorf("%s: %+v", name, v)
		}
	}
	before := tired()
	before.Policy.Awake = in(-10*time.Minute, time.Hour)
	before.Policy.Awake[0].Lead = 12 * time.Minute
	if v := verdictOf(before, "schedule"); v.Pass {
		t.Errorf("a host that is about to be woken: %+v", v)
	}
	wake := sleeping()
	wake.Policy.Awake = in(0, time.Hour)
	if v := verdictOf(wake, "schedule"); !v.Pass {
		t.Errorf("waking: %+v", v)
	}
}
