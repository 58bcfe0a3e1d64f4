package gate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"pgregory.net/rapid"
)

const gib = 1 << 30

// good is a question that every gate passes. Tests spoil one thing each.
func good() gate.Question {
	now := clustertest.At()
	host := func(id string) cluster.Host {
		return cluster.Host{ID: id, State: cluster.HostUp, CPUCores: 4, MemoryBytes: 16 * gib, Storage: []string{"nfs1"}, Networks: []string{"br0"}}
	}
	return gate.Question{
		Now: now,
		Policy: gate.Policy{Level: cluster.LevelManual, MaxDataAge: time.Minute, FailureCoolDown: 15 * time.Minute, RejectionCoolDown: 24 * time.Hour,
			Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}},
		Rec: cluster.Recommendation{ID: "abc", Policy: "balance", Priority: 2, Made: now.Add(-time.Minute), Expires: now.Add(10 * time.Minute),
			Action: cluster.Action{Kind: cluster.Migrate, VM: "v1", Name: "web1", From: "h1", To: "h2"}},
		Approval: &cluster.Approval{Who: "alice", Via: "api", At: now},
		Snapshot: cluster.Snapshot{Cluster: "c", At: now.Add(-time.Second), Hosts: []cluster.Host{host("h1"), host("h2"), host("h3")},
			VMs: []cluster.VM{
				{ID: "v1", Name: "web1", Host: "h1", State: cluster.VMRunning, VCPUs: 2, MemoryBytes: 4 * gib, CPUDemandCores: 1, Movable: true, Storage: []string{"nfs1"}, Networks: []string{"br0"}},
				{ID: "v2", Name: "db1", Host: "h2", State: cluster.VMRunning, VCPUs: 2, MemoryBytes: 4 * gib, CPUDemandCores: 0.5, Movable: true},
				{ID: "v9", Name: "big", Host: "h1", State: cluster.VMRunning, VCPUs: 2, MemoryBytes: 4 * gib, CPUDemandCores: 2},
			}},
		Sighting: cluster.Sighting{VM: "v1", Hosts: []cluster.SightingHost{{Host: "h1", State: cluster.VMRunning, Name: "web1"}, {Host: "h2", State: cluster.VMShutoff}}},
	}
}

func TestTheGoodQuestionPasses(t *testing.T) {
	if v := gate.Ask(gate.All(), good()); !gate.Open(v) {
		t.Fatalf("refused: %+v", gate.Refusals(v))
	}
}

func TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason(t *testing.T) {
	manual := cluster.LevelManual
	off := cluster.LevelOff
	cases := map[string]struct {
		spoil        func(*gate.Question)
		gate, reason string
		detail       string
		retry        time.Duration
		othersToo    bool
	}{
		"level off":              {spoil: func(q *gate.Question) { q.Policy.Level = off }, gate: "level", reason: "off"},
		"the VM's own level off": {spoil: func(q *gate.Question) { q.Snapshot.VMs[0].Automation = &off }, gate: "level", reason: "off"},
		"nobody approved":        {spoil: func(q *gate.Question) { q.Approval = nil }, gate: "approval", reason: "not-approved"},
		"partial, not mandatory": {spoil: func(q *gate.Question) { q.Policy.Level = cluster.LevelPartial; q.Approval = nil }, gate: "approval", reason: "not-approved"},
		"full, but the VM manual": {spoil: func(q *gate.Question) {
			q.Policy.Level = cluster.LevelFull
			q.Approval = nil
			q.Snapshot.VMs[0].Automation = &manual
		}, gate: "approval", reason: "not-approved"},
		"expired":                {spoil: func(q *gate.Question) { q.Rec.Expires = q.Now }, gate: "expiry", reason: "expired"},
		"no Prometheus":          {spoil: func(q *gate.Question) { q.SnapshotError = "connection refused" }, gate: "freshness", reason: "stale", detail: "connection refused"},
		"old snapshot":           {spoil: func(q *gate.Question) { q.Snapshot.At = q.Now.Add(-61 * time.Second) }, gate: "freshness", reason: "stale", detail: "1m1s"},
		"snapshot of the future": {spoil: func(q *gate.Question) { q.Snapshot.At = q.Now.Add(time.Second) }, gate: "freshness", reason: "stale"},
		"source not seen":        {spoil: gap("host/h1"), gate: "freshness", reason: "gap", othersToo: true},
		"target not seen":        {spoil: gap("host/h2"), gate: "freshness", reason: "gap", othersToo: true},
		"VM contradictory":       {spoil: gap("vm/v1"), gate: "freshness", reason: "gap", othersToo: true},
		"cluster not seen":       {spoil: gap("cluster"), gate: "freshness", reason: "gap"},
		"target silent": {spoil: func(q *gate.Question) {
			q.Sighting.Hosts = q.Sighting.Hosts[:1]
			q.Sighting.Silent = []cluster.Gap{{Subject: "host/h2", Reason: "no route"}}
		}, gate: "world", reason: "target-silent", detail: "no route"},
		"source silent": {spoil: func(q *gate.Question) { q.Sighting.Hosts = q.Sighting.Hosts[1:] }, gate: "world", reason: "source-silent", othersToo: true},
		"moved by hand": {spoil: func(q *gate.Question) {
			q.Sighting.Hosts[0].State = cluster.VMShutoff
			q.Sighting.Hosts = append(q.Sighting.Hosts, cluster.SightingHost{Host: "h3", State: cluster.VMRunning})
		}, gate: "world", reason: "moved", detail: "h3"},
		"already there": {spoil: func(q *gate.Question) {
			q.Sighting.Hosts[0].State = cluster.VMShutoff
			q.Sighting.Hosts[1].State = cluster.VMRunning
		}, gate: "world", reason: "moved", detail: "h2"},
		"paused copy at target":   {spoil: func(q *gate.Question) { q.Sighting.Hosts[1].State = cluster.VMPaused }, gate: "world", reason: "moved"},
		"VM paused":               {spoil: func(q *gate.Question) { q.Sighting.Hosts[0].State = cluster.VMPaused }, gate: "world", reason: "not-running"},
		"backup under way":        {spoil: func(q *gate.Question) { q.Sighting.Hosts[0].Job = true }, gate: "job", reason: "job", detail: "backup"},
		"another VM was asked of": {spoil: func(q *gate.Question) { q.Sighting.VM = "v2" }, gate: "world", reason: "not-seen", othersToo: true},
		"Prometheus has it moved": {spoil: func(q *gate.Question) { q.Snapshot.VMs[0].Host = "h3" }, gate: "world", reason: "moved"},
		"VM unknown":              {spoil: func(q *gate.Question) { q.Snapshot.VMs = q.Snapshot.VMs[1:] }, gate: "world", reason: "moved"},
		"target full of memory":   {spoil: func(q *gate.Question) { q.Snapshot.VMs[1].MemoryBytes = 12 * gib }, gate: "world", reason: "no-fit", detail: "memory"},
		"target full of work":     {spoil: func(q *gate.Question) { q.Snapshot.VMs[1].CPUDemandCores = 3.5 }, gate: "world", reason: "no-fit", detail: "CPU"},
		"full with one in flight": {spoil: func(q *gate.Question) {
			q.Snapshot.VMs = append(q.Snapshot.VMs, cluster.VM{ID: "v3", Host: "h3", MigratingTo: "h2", State: cluster.VMRunning, MemoryBytes: 8 * gib})
		}, gate: "world", reason: "no-fit", detail: "memory"},
		"target in maintenance": {spoil: func(q *gate.Question) { q.Snapshot.Hosts[1].State = cluster.HostMaintenance }, gate: "world", reason: "no-fit", detail: "maintenance"},
		"storage out of reach":  {spoil: func(q *gate.Question) { q.Snapshot.Hosts[1].Storage = nil }, gate: "world", reason: "no-fit", detail: "nfs1"},
		"network out of reach":  {spoil: func(q *gate.Question) { q.Snapshot.Hosts[1].Networks = nil }, gate: "world", reason: "no-fit", detail: "br0"},
		"a must rule": {spoil: func(q *gate.Question) {
			q.Snapshot.Rules = []cluster.Rule{{Name: "apart", Kind: cluster.VMVMAntiAffinity, VMs: []string{"v1", "v2"}}}
		}, gate: "world", reason: "no-fit", detail: "apart"},
		"immovable":          {spoil: func(q *gate.Question) { q.Snapshot.VMs[0].Movable = false }, gate: "world", reason: "no-fit"},
		"no migration":       {spoil: func(q *gate.Question) { q.Rec.Action.Kind = cluster.KindNone }, gate: "world", reason: "unknown-action"},
		"nowhere to go":      {spoil: func(q *gate.Question) { q.Rec.Action.To = q.Rec.Action.From }, gate: "world", reason: "unknown-action"},
		"no longer any good": {spoil: func(q *gate.Question) { q.Snapshot.VMs[2].CPUDemandCores = 0 }, gate: "world", reason: "no-gain", detail: "no longer help"},
		"the kind off":       {spoil: func(q *gate.Question) { q.Policy.Kinds = map[string]cluster.Level{"balance": off} }, gate: "level", reason: "off", detail: "balance"},
		"off beats the kind": {spoil: func(q *gate.Question) {
			q.Policy.Level, q.Policy.Kinds = off, map[string]cluster.Level{"balance": cluster.LevelFull}
		}, gate: "level", reason: "off"},
		"the source off": {spoil: func(q *gate.Question) { q.Snapshot.Hosts[0].Automation = &off }, gate: "level", reason: "off", detail: "h1"},
		"the target off": {spoil: func(q *gate.Question) { q.Snapshot.Hosts[1].Automation = &off }, gate: "level", reason: "off", detail: "h2"},
		"full, not earned": {spoil: func(q *gate.Question) {
			q.Approval, q.Policy.Level, q.Earned = nil, cluster.LevelFull, &manual
		}, gate: "approval", reason: "not-approved"},
		"one of two": {spoil: func(q *gate.Question) { q.Policy.TwoPeople = []string{"balance"} }, gate: "approval", reason: gate.OneYes, detail: "alice"},
		"twice the same of two": {spoil: func(q *gate.Question) {
			q.Policy.TwoPeople, q.Seconds = []string{"balance"}, []cluster.Approval{{Who: "alice"}}
		}, gate: "approval", reason: gate.OneYes},
		"two needed at level full": {spoil: func(q *gate.Question) {
			q.Approval, q.Policy.Level, q.Policy.TwoPeople = nil, cluster.LevelFull, []string{"balance"}
		}, gate: "approval", reason: "not-approved", detail: "two"},
		"paused":             {spoil: ordered(cluster.Order{Kind: cluster.OrderPause, Subject: "cluster"}), gate: "pause", reason: "paused", detail: "resume"},
		"target paused":      {spoil: ordered(cluster.Order{Kind: cluster.OrderPause, Subject: "host/h2", Until: clustertest.At().Add(time.Hour)}), gate: "pause", reason: "paused", retry: time.Hour},
		"VM paused by order": {spoil: ordered(cluster.Order{Kind: cluster.OrderPause, Subject: "vm/v1"}), gate: "pause", reason: "paused"},
		"approved in advance for other hosts": {spoil: func(q *gate.Question) {
			q.Approval = nil
			ordered(cluster.Order{Kind: cluster.OrderApprove, Policy: "balance", Subject: "host/h3", Until: q.Now.Add(time.Hour)})(q)
		}, gate: "approval", reason: "not-approved"},
		"approved in advance until now": {spoil: func(q *gate.Question) {
			q.Approval = nil
			ordered(cluster.Order{Kind: cluster.OrderApprove, Policy: "balance", Subject: "cluster", Until: q.Now})(q)
		}, gate: "approval", reason: "not-approved"},
		"approved in advance for another kind": {spoil: func(q *gate.Question) {
			q.Approval = nil
			ordered(cluster.Order{Kind: cluster.OrderApprove, Policy: "rules", Subject: "cluster", Until: q.Now.Add(time.Hour)})(q)
		}, gate: "approval", reason: "not-approved"},
		"not for the host's maintenance": {spoil: func(q *gate.Question) {
			q.Approval = nil
			ordered(cluster.Order{Kind: cluster.OrderMaintenance, Subject: "host/h1"})(q)
		}, gate: "approval", reason: "not-approved"},
		"another host's maintenance": {spoil: func(q *gate.Question) {
			q.Approval, q.Rec.Policy = nil, "evacuate"
			ordered(cluster.Order{Kind: cluster.OrderMaintenance, Subject: "host/h3"})(q)
		}, gate: "approval", reason: "not-approved"},
		"put off": {spoil: func(q *gate.Question) {
			q.Snoozed = &cluster.Approval{Who: "bob", At: q.Now, Until: q.Now.Add(time.Hour)}
		}, gate: "snooze", reason: "snoozed", detail: "bob", retry: time.Hour},
		"frozen": {spoil: func(q *gate.Question) {
			q.Policy.Freezes = []gate.Freeze{{Name: "month-end", Schedule: every{q.Now.Add(-time.Minute)}, Duration: time.Hour}}
		}, gate: "freeze", reason: "frozen", detail: "month-end", retry: 59 * time.Minute},
		"frozen for this kind": {spoil: func(q *gate.Question) {
			q.Policy.Freezes = []gate.Freeze{{Name: "nights", Schedule: every{q.Now}, Duration: time.Hour, Kinds: []string{"balance"}}}
		}, gate: "freeze", reason: "frozen", retry: time.Hour},
		"few hosts": {spoil: func(q *gate.Question) {
			q.Policy.MinHealthy = 0.9
			q.Snapshot.Hosts[2].State = cluster.HostDown
		}, gate: "hosts", reason: "few-hosts", detail: "2 of 3"},
		"few hosts seen": {spoil: func(q *gate.Question) {
			q.Policy.MinHealthy = 0.9
			gap("host/h3")(q)
		}, gate: "hosts", reason: "few-hosts", detail: "2 of 3"},
		"another scheduler": {spoil: func(q *gate.Question) {
			q.Approval, q.Policy.Level, q.Policy.ForeignMoves = nil, cluster.LevelFull, 5
			q.Snapshot.OwnMovesLastDay, q.Snapshot.VMs[1].MovesLastDay = cluster.Known(1), 7
		}, gate: "scheduler", reason: "second-scheduler", detail: "6 times"},
		"another server": {spoil: func(q *gate.Question) {
			q.Policy.Server, q.Snapshot.Servers = "one", []string{"one", "two"}
		}, gate: "leader", reason: "another-server", detail: "two; this one is one"},
		"a server beside those that were elected": {spoil: func(q *gate.Question) {
			q.Policy.Server, q.Policy.Elected, q.Snapshot.Servers = "one", true, []string{"two"}
		}, gate: "leader", reason: "another-server", detail: "two; this one is one"},
		"own moves not known": {spoil: func(q *gate.Question) {
			q.Approval, q.Policy.Level, q.Policy.ForeignMoves = nil, cluster.LevelFull, 5
		}, gate: "scheduler", reason: "unknown"},
		"storm": {spoil: func(q *gate.Question) {
			q.Policy.StormFailures, q.Policy.StormWindow = 2, time.Hour
			q.Storm = []time.Time{q.Now.Add(-3 * time.Hour), q.Now.Add(-40 * time.Minute), q.Now}
		}, gate: "storm", reason: "storm", detail: "2 actions failed", retry: 20 * time.Minute},
		"budget of the cluster": {spoil: func(q *gate.Question) {
			q.Approval, q.Policy.Level, q.Policy.ActionsPerHour = nil, cluster.LevelFull, 2
			q.Begun = []gate.Begun{{At: q.Now.Add(-59 * time.Minute)}, {At: q.Now.Add(-time.Minute)}}
		}, gate: "budget", reason: "spent", detail: "the cluster", retry: time.Minute},
		"budget of the target": {spoil: func(q *gate.Question) {
			q.Approval, q.Policy.Level, q.Policy.HostActionsPerHour = nil, cluster.LevelFull, 1
			q.Begun = []gate.Begun{{At: q.Now.Add(-time.Minute), Action: cluster.Action{VM: "v7", From: "h2", To: "h3"}}}
		}, gate: "budget", reason: "spent", detail: "h2"},
		"cluster busy":       {spoil: inFlight(gate.Parallel{Cluster: 1}, cluster.Action{VM: "v7", From: "h3", To: "h4"}), gate: "concurrency", reason: "busy", detail: "may be at once"},
		"target busy":        {spoil: inFlight(gate.Parallel{Host: 1}, cluster.Action{VM: "v7", From: "h2", To: "h4"}), gate: "concurrency", reason: "busy", detail: "h2"},
		"link busy":          {spoil: inFlight(gate.Parallel{Link: 1, Host: 9}, cluster.Action{Kind: cluster.Migrate, VM: "v7", From: "h1", To: "h2"}), gate: "concurrency", reason: "busy", detail: "from h1 to h2"},
		"VM busy":            {spoil: inFlight(gate.Parallel{}, cluster.Action{VM: "v1", From: "h1", To: "h3"}), gate: "concurrency", reason: "busy", detail: "same VM"},
		"rejected since":     {spoil: func(q *gate.Question) { q.Rejected = &cluster.Approval{Who: "bob", At: q.Now} }, gate: "rejection", reason: "rejected", detail: "bob", retry: 24 * time.Hour},
		"failed once":        {spoil: failed(5 * time.Minute), gate: "failures", reason: "cool-down", retry: 10 * time.Minute},
		"failed three times": {spoil: failed(3*time.Hour, 2*time.Hour, 50*time.Minute), gate: "failures", reason: "cool-down", retry: 10 * time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			q := good()
			c.spoil(&q)
			refusals := gate.Refusals(gate.Ask(gate.All(), q))
			if len(refusals) == 0 {
				t.Fatal("nothing refuses")
			}
			if len(refusals) > 1 && !c.othersToo {
				t.Errorf("more than one gate refuses: %+v", refusals)
			}
			v := refusals[0]
			if v.Gate != c.gate || v.Reason != c.reason || !strings.Contains(v.Detail, c.detail) || v.Detail == "" {
				t.Errorf("got %+v, want gate %s, reason %s, detail with %q", v, c.gate, c.reason, c.detail)
			}
			if c.retry != 0 && !v.RetryAfter.Equal(q.Now.Add(c.retry)) {
				t.Errorf("retry after %v, want in %v", v.RetryAfter.Sub(q.Now), c.retry)
			}
		})
	}
}

func ordered(o cluster.Order) func(*gate.Question) {
	return func(q *gate.Question) {
		o.Word = cluster.Approval{Who: "carol", At: q.Now.Add(-time.Minute)}
		q.Orders = append(q.Orders, o)
	}
}

func inFlight(p gate.Parallel, a cluster.Action) func(*gate.Question) {
	return func(q *gate.Question) { q.Policy.Parallel, q.InFlight = p, []cluster.Action{a} }
}

// every is a schedule with one beginning.
type every struct{ began time.Time }

func (e every) Next(t time.Time) time.Time {
	if t.Before(e.began) {
		return e.began
	}
	return time.Time{}
}

func gap(subject string) func(*gate.Question) {
	return func(q *gate.Question) { q.Snapshot.Gaps = []cluster.Gap{{Subject: subject, Reason: "exporter down"}} }
}

func failed(ago ...time.Duration) func(*gate.Question) {
	return func(q *gate.Question) {
		for _, d := range ago {
			q.Failures = append(q.Failures, q.Now.Add(-d))
		}
	}
}

func TestWhatNeedsNoPerson(t *testing.T) {
	for name, allow := range map[string]func(*gate.Question){
		"full":                  func(q *gate.Question) { q.Policy.Level = cluster.LevelFull },
		"partial and mandatory": func(q *gate.Question) { q.Policy.Level, q.Rec.Priority = cluster.LevelPartial, 1 },
		"partial and of low risk": func(q *gate.Question) {
			q.Policy.Level, q.Policy.LowRisk = cluster.LevelPartial, []string{"balance"}
		},
		"the kind full": func(q *gate.Question) { q.Policy.Kinds = map[string]cluster.Level{"balance": cluster.LevelFull} },
		"full is earned": func(q *gate.Question) {
			full := cluster.LevelFull
			q.Policy.Level, q.Earned = cluster.LevelFull, &full
		},
		"its host is put into maintenance": func(q *gate.Question) {
			q.Rec.Policy = "evacuate"
			ordered(cluster.Order{Kind: cluster.OrderMaintenance, Subject: "host/h1"})(q)
		},
		"approved in advance": func(q *gate.Question) {
			ordered(cluster.Order{Kind: cluster.OrderApprove, Policy: "balance", Subject: "host/h2", Until: q.Now.Add(time.Second)})(q)
		},
	} {
		q := good()
		q.Approval = nil
		allow(&q)
		if v := gate.Ask(gate.All(), q); !gate.Open(v) {
			t.Errorf("%s: refused: %+v", name, gate.Refusals(v))
		}
		if v := gate.Ask(gate.Forehand(), gate.Question{Now: q.Now, Policy: q.Policy, Rec: q.Rec, Orders: q.Orders, Earned: q.Earned}); !gate.Open(v) {
			t.Errorf("%s: refused before a look at the world: %+v", name, gate.Refusals(v))
		}
	}
}

func TestWhatAPersonsWordOpens(t *testing.T) {
	for name, burden := range map[string]func(*gate.Question){
		"the second of two": func(q *gate.Question) {
			q.Policy.TwoPeople, q.Seconds = []string{"balance"}, []cluster.Approval{{Who: "bob"}}
		},
		"a yes after a not now": func(q *gate.Question) {
			q.Snoozed = &cluster.Approval{Who: "bob", At: q.Now.Add(-time.Second), Until: q.Now.Add(time.Hour)}
		},
		"a not now that is over": func(q *gate.Question) { q.Snoozed = &cluster.Approval{Who: "bob", At: q.Now, Until: q.Now} },
		"a freeze that lets approved actions pass": func(q *gate.Question) {
			q.Policy.Freezes = []gate.Freeze{{Name: "n", Schedule: every{q.Now}, Duration: time.Hour, ApprovedPass: true}}
		},
		"a freeze of another kind": func(q *gate.Question) {
			q.Policy.Freezes = []gate.Freeze{{Name: "n", Schedule: every{q.Now}, Duration: time.Hour, Kinds: []string{"rules"}}}
		},
		"a freeze that has ended": func(q *gate.Question) {
			q.Policy.Freezes = []gate.Freeze{{Name: "n", Schedule: every{q.Now.Add(-time.Hour)}, Duration: time.Hour}}
		},
		"another scheduler": func(q *gate.Question) { q.Policy.ForeignMoves = 5 },
		"a storm before it": func(q *gate.Question) {
			q.Policy.StormFailures, q.Policy.StormWindow, q.Storm = 1, time.Hour, []time.Time{q.Now.Add(-time.Minute)}
		},
		"a spent budget": func(q *gate.Question) {
			q.Policy.ActionsPerHour, q.Begun = 1, []gate.Begun{{At: q.Now}}
		},
		"a pause of another host": ordered(cluster.Order{Kind: cluster.OrderPause, Subject: "host/h3"}),
		"a pause that is over":    ordered(cluster.Order{Kind: cluster.OrderPause, Subject: "cluster", Until: clustertest.At()}),
	} {
		q := good()
		burden(&q)
		if v := gate.Ask(gate.All(), q); !gate.Open(v) {
			t.Errorf("%s: refused: %+v", name, gate.Refusals(v))
		}
	}
}

// questions draws questions about random clusters, most of which something is wrong with.
func questions() *rapid.Generator[gate.Question] {
	return rapid.Custom(func(t *rapid.T) gate.Question {
		q := good()
		q.Snapshot = clustertest.Snapshots().Draw(t, "cluster")
		q.Now = q.Snapshot.At.Add(time.Duration(rapid.IntRange(-5, 90).Draw(t, "age")) * time.Second)
		q.Rec.Expires = q.Now.Add(time.Duration(rapid.IntRange(-10, 60).Draw(t, "left")) * time.Second)
		q.Policy.Level = cluster.Level(rapid.IntRange(0, 3).Draw(t, "level"))
		if rapid.Bool().Draw(t, "unapproved") {
			q.Approval = nil
		}
		burdened(t, &q)
		if len(q.Snapshot.VMs) > 0 {
			v := rapid.SampledFrom(q.Snapshot.VMs).Draw(t, "vm")
			to := rapid.SampledFrom(q.Snapshot.Hosts).Draw(t, "to")
			q.Rec.Action = cluster.Action{Kind: cluster.Migrate, VM: v.ID, Name: v.Name, From: v.Host, To: to.ID}
			q.Sighting = cluster.Sighting{VM: v.ID, Hosts: []cluster.SightingHost{{Host: v.Host, State: v.State}, {Host: to.ID, State: cluster.VMShutoff}}}
		}
		return q
	})
}

// burdened adds words, limits and a past, each of them sometimes.
func burdened(t *rapid.T, q *gate.Question) {
	some := func(what string, f func()) {
		if rapid.IntRange(0, 9).Draw(t, what) == 0 {
			f()
		}
	}
	hour := q.Now.Add(time.Hour)
	some("paused", func() { ordered(cluster.Order{Kind: cluster.OrderPause, Subject: "cluster"})(q) })
	some("approved in advance", func() {
		ordered(cluster.Order{Kind: cluster.OrderApprove, Subject: "cluster", Policy: "balance", Until: hour})(q)
	})
	some("kind", func() {
		q.Policy.Kinds = map[string]cluster.Level{"balance": cluster.Level(rapid.IntRange(0, 3).Draw(t, "its level"))}
	})
	some("two people", func() { q.Policy.TwoPeople = []string{"balance"} })
	some("seconded", func() {
		q.Seconds = []cluster.Approval{{Who: rapid.SampledFrom([]string{"alice", "Alice", "bob"}).Draw(t, "who")}}
	})
	some("put off", func() { q.Snoozed = &cluster.Approval{Who: "bob", At: q.Now, Until: hour} })
	some("frozen", func() { q.Policy.Freezes = []gate.Freeze{{Name: "f", Schedule: every{q.Now}, Duration: time.Hour}} })
	some("storm", func() {
		q.Policy.StormFailures, q.Policy.StormWindow, q.Storm = 1, time.Hour, []time.Time{q.Now}
	})
	some("spent", func() { q.Policy.ActionsPerHour, q.Begun = 1, []gate.Begun{{At: q.Now}} })
	some("busy", func() { inFlight(gate.Parallel{Cluster: 1}, cluster.Action{VM: "other"})(q) })
	some("earned", func() { level := cluster.LevelManual; q.Earned = &level })
}

func TestLawWhatIsRefusedBeforehandIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := questions().Draw(t, "question")
		blind := q
		blind.Snapshot, blind.Sighting = cluster.Snapshot{}, cluster.Sighting{}
		if !gate.Open(gate.Ask(gate.Forehand(), blind)) && gate.Open(gate.Ask(gate.All(), q)) {
			t.Fatal("what is refused before a look at the world passes after it")
		}
	})
}

func TestLawOneMoreGateNeverLetsMoreThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := questions().Draw(t, "question")
		var some []gate.Gate
		for _, g := range gate.All() {
			if rapid.Bool().Draw(t, "with "+g.Name) {
				some = append(some, g)
			}
		}
		if gate.Open(gate.Ask(gate.All(), q)) && len(some) > 0 && !gate.Open(gate.Ask(some, q)) {
			t.Fatal("all gates let through what fewer of them refuse")
		}
		extra := gate.Gate{Name: "extra", Check: func(gate.Question) cluster.Verdict { return cluster.Verdict{} }}
		if gate.Open(gate.Ask(append(gate.All(), extra), q)) {
			t.Fatal("a gate that gives the zero verdict must refuse")
		}
		if gate.Open(nil) {
			t.Fatal("no gates at all must not let anything through")
		}
	})
}

func TestLawWhatPassesIsSafe(t *testing.T) {
	opened := 0
	rapid.Check(t, func(t *rapid.T) {
		q := questions().Draw(t, "question")
		if !gate.Open(gate.Ask(gate.All(), q)) {
			return
		}
		opened++
		a := q.Rec.Action
		age := q.Now.Sub(q.Snapshot.At)
		vm, _ := q.Snapshot.VM(a.VM)
		to, _ := q.Snapshot.Host(a.To)
		switch {
		case q.Policy.Level == cluster.LevelOff:
			t.Fatal("level off")
		case q.Orders.Of(cluster.OrderPause, q.Rec, q.Now) != nil:
			t.Fatal("paused")
		case len(q.Policy.TwoPeople) > 0 && (q.Approval == nil || len(q.Seconds) == 0 || q.Seconds[0].Same(*q.Approval)):
			t.Fatal("it takes two people")
		case len(q.InFlight) > 0 || len(q.Policy.Freezes) > 0 || q.Snoozed != nil:
			t.Fatal("busy, frozen or put off")
		case q.Approval == nil && q.Orders.Of(cluster.OrderApprove, q.Rec, q.Now) == nil && gate.EffectiveLevel(q) != cluster.LevelFull && q.Rec.Priority != 1:
			t.Fatal("nobody approved")
		case !q.Now.Before(q.Rec.Expires):
			t.Fatal("expired")
		case age < 0 || age > q.Policy.MaxDataAge:
			t.Fatal("stale")
		case q.Snapshot.GapOf("vm/"+a.VM)+q.Snapshot.GapOf("host/"+a.From)+q.Snapshot.GapOf("host/"+a.To) != "":
			t.Fatal("gap")
		case vm.State != cluster.VMRunning || !vm.Movable || vm.Host != a.From || a.From == a.To || to.State != cluster.HostUp:
			t.Fatal("the VM or the target is not fit for it")
		}
		var memory int64 = to.ReservedMemoryBytes + vm.MemoryBytes
		for _, v := range q.Snapshot.VMs {
			if v.Host == a.To && v.State.Active() {
				memory += v.MemoryBytes
			}
		}
		if float64(memory) > float64(to.MemoryBytes)*q.Policy.Limits.MaxMemoryUtilisation {
			t.Fatal("the target has not the memory")
		}
	})
	t.Logf("%d questions passed", opened)
}

func TestNoGatePassesAnEmptyQuestionButThoseAboutThePastAndWhatIsNotForbidden(t *testing.T) {
	free := []string{"failures", "rejection", "pause", "armed", "snooze", "freeze", "schedule", "leader", "scheduler", "storm", "budget", "concurrency"}
	for _, v := range gate.Ask(gate.All(), gate.Question{}) {
		if v.Pass && !slices.Contains(free, v.Gate) {
			t.Errorf("gate %s lets an empty question through", v.Gate)
		}
	}
}
