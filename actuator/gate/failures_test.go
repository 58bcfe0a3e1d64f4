package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// stricken is a question about bringing web1 back on h1 after h3, which ran it, was found off.
func stricken() gate.Question {
	q := of(cluster.Start)
	q.Rec.Policy, q.Rec.Priority = cluster.Restart, 1
	q.WatchBegan = q.Now.Add(-time.Hour)
	q.Kept, q.Sighting.Hosts[0].Defined = true, false
	q.Sighting.Hosts = q.Sighting.Hosts[:2] // h3 says nothing
	q.Watch = []cluster.HostWatch{
		{Host: "h1", Verdict: "alive", Libvirt: "yes", LookedAt: q.Now}, {Host: "h2", Verdict: "alive", Libvirt: "yes", LookedAt: q.Now},
		{Host: "h3", Verdict: "dead", Libvirt: "no", Heartbeat: "no", LookedAt: q.Now, HeardAt: q.Now.Add(-time.Minute)},
	}
	q.LastWords = []cluster.LastWord{
		{Host: "h1", At: q.Now, VMSeen: cluster.VMSeen{State: cluster.VMShutoff}}, {Host: "h2", At: q.Now, VMSeen: cluster.VMSeen{State: cluster.VMShutoff}},
		{Host: "h3", At: q.Now.Add(-time.Minute), ActiveAt: q.Now.Add(-time.Minute), ReadAt: q.Now.Add(-time.Minute), VMSeen: cluster.VMSeen{State: cluster.VMRunning}},
	}
	return q
}

func TestAVMStartsElsewhereOnlyWhenItsHostIsProvenOff(t *testing.T) {
	said := func(q *gate.Question, at time.Time) {
		q.Orders = cluster.Orders{{Kind: cluster.OrderOff, Subject: "host/h3", Word: cluster.Approval{Who: "ann", At: at}}}
	}
	for name, c := range map[string]struct {
		spoil  func(*gate.Question)
		reason string // of the gate world, "" where it passes
	}{
		"it is off":                  {func(*gate.Question) {}, ""},
		"it hangs":                   {func(q *gate.Question) { q.Watch[2].Verdict = "hung" }, "host-silent"},
		"it is cut off":              {func(q *gate.Question) { q.Watch[2].Verdict = "isolated" }, "host-silent"},
		"nobody can tell":            {func(q *gate.Question) { q.Watch[2].Verdict = "unproven" }, "host-silent"},
		"the verdict is old":         {func(q *gate.Question) { q.Watch[2].LookedAt = q.Now.Add(-16 * time.Second) }, "host-silent"},
		"the verdict is of tomorrow": {func(q *gate.Question) { q.Watch[2].LookedAt = q.Now.Add(time.Second) }, "host-silent"},
		"nobody watches":             {func(q *gate.Question) { q.Watch = nil }, "host-silent"},
		"a person says so":           {func(q *gate.Question) { q.Watch[2].Verdict = "unproven"; said(q, q.Now) }, ""},
		"a person said so before it was heard": {func(q *gate.Question) {
			q.Watch[2].Verdict = "unproven"
			said(q, q.Now.Add(-2*time.Minute))
		}, "host-silent"},
		"a person says so, and its heart beats": {func(q *gate.Question) {
			q.Watch[2].Verdict, q.Watch[2].Heartbeat = "isolated", "yes"
			said(q, q.Now)
		}, "host-silent"},
		"a person says so, and nobody knows of its heart": {func(q *gate.Question) {
			q.Watch[2].Verdict, q.Watch[2].Heartbeat = "unproven", "unknown"
			said(q, q.Now)
		}, "host-silent"},
		"a person says so, and its BMC says on": {func(q *gate.Question) { q.Watch[2].Verdict = "hung"; said(q, q.Now) }, "host-silent"},
		"nothing is kept":                       {func(q *gate.Question) { q.Kept = false }, "not-defined"},
		"it runs on another host":               {func(q *gate.Question) { q.Sighting.Hosts[1].State = cluster.VMPaused }, "runs"},
		"another host is silent that did not have it": {func(q *gate.Question) {
			q.Sighting.Hosts, q.Watch[1].Verdict = q.Sighting.Hosts[:1], "unproven"
		}, ""},
		"another host is silent that had it": {func(q *gate.Question) {
			q.Sighting.Hosts, q.Watch[1].Verdict = q.Sighting.Hosts[:1], "unproven"
			q.LastWords[1].State, q.LastWords[1].ActiveAt = cluster.VMRunning, q.Now
		}, "host-silent"},
		"another host is silent to which it was being moved": {func(q *gate.Question) {
			q.Sighting.Hosts, q.Watch[1].Verdict = q.Sighting.Hosts[:1], "unproven"
			q.LastWords[1].State, q.LastWords[1].At, q.LastWords[1].ActiveAt = cluster.VMPaused, q.Now.Add(-2*time.Minute), q.Now.Add(-2*time.Minute)
		}, "host-silent"},
		"another host is silent that was never heard": {func(q *gate.Question) {
			q.Sighting.Hosts, q.Watch[1].Verdict = q.Sighting.Hosts[:1], "unproven"
			q.LastWords = append(q.LastWords[:1], q.LastWords[2])
		}, "host-silent"},
	} {
		t.Run(name, func(t *testing.T) {
			q := stricken()
			c.spoil(&q)
			no := gate.Refusals(gate.Ask(gate.All(), q))
			switch {
			case c.reason == "" && len(no) > 0:
				t.Errorf("%+v", no)
			case c.reason != "" && (len(no) != 1 || no[0].Gate != "world" || no[0].Reason != c.reason):
				t.Errorf("want %s of the gate world: %+v", c.reason, no)
			}
		})
	}
}

// What a person asks for is no recovery: a silent host stands in its way unless it is proven off.
func TestASilentHostStandsInTheWayOfAnOrdinaryStart(t *testing.T) {
	q := stricken()
	q.Rec.Policy, q.Sighting.Hosts[0].Defined = cluster.Start.Policy(), true
	q.Sighting.Hosts, q.Watch[1].Verdict = q.Sighting.Hosts[:1], "unproven"
	if no := gate.Refusals(gate.Ask(gate.All(), q)); len(no) != 1 || no[0].Reason != "host-silent" {
		t.Errorf("%+v", no)
	}
}

func fencing() gate.Question {
	q := stricken()
	q.Rec.Policy, q.Rec.Action = cluster.Fence.Policy(), cluster.Action{Kind: cluster.Fence, From: "h3"}
	q.Watch[2].Verdict, q.Fenceable, q.Sighting = "hung", true, cluster.Sighting{}
	return q
}

func TestAHostIsTurnedOffOnlyWhenNothingIsHeardOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		spoil        func(*gate.Question)
		gate, reason string
	}{
		"it hangs":              {func(*gate.Question) {}, "", ""},
		"nothing proves it off": {func(q *gate.Question) { q.Watch[2].Verdict = "unproven" }, "", ""},
		"it lives":              {func(q *gate.Question) { q.Watch[2].Verdict = "alive" }, "world", "lives"},
		"its libvirt is gone":   {func(q *gate.Question) { q.Watch[2].Verdict = "libvirt-lost" }, "world", "lives"},
		"it is cut off":         {func(q *gate.Question) { q.Watch[2].Verdict = "isolated" }, "world", "lives"},
		"the observer is blind": {func(q *gate.Question) { q.Watch[2].Verdict = "blind" }, "world", "lives"},
		"it is off":             {func(q *gate.Question) { q.Watch[2].Verdict = "dead" }, "world", "there-already"},
		"the verdict is old":    {func(q *gate.Question) { q.Watch[2].LookedAt = q.Now.Add(-time.Minute) }, "world", "stale"},
		"there is no way":       {func(q *gate.Question) { q.Fenceable = false }, "world", "no-way"},
		"another of its domain is being turned off": {func(q *gate.Question) {
			q.Policy.Domains = map[string]string{"h2": "rack", "h3": "rack"}
			q.InFlight = []cluster.Action{{Kind: cluster.Fence, From: "h2"}}
		}, "concurrency", "busy"},
		"another of another domain is": {func(q *gate.Question) {
			q.Policy.Domains = map[string]string{"h2": "rack", "h3": "other"}
			q.InFlight = []cluster.Action{{Kind: cluster.Fence, From: "h2"}}
		}, "", ""},
		"it is disarmed": {func(q *gate.Question) {
			q.Orders = cluster.Orders{{Kind: cluster.OrderDisarm, Subject: "host/h3", Word: cluster.Approval{Who: "ann", At: q.Now}}}
		}, "armed", "disarmed"},
		"the server has just started": {func(q *gate.Question) { q.Policy.Grace, q.WatchBegan = time.Minute, q.Now.Add(-time.Second) }, "armed", "grace"},
	} {
		t.Run(name, func(t *testing.T) {
			q := fencing()
			c.spoil(&q)
			no := gate.Refusals(gate.Ask(gate.All(), q))
			if c.gate == "" && len(no) > 0 || c.gate != "" && (len(no) != 1 || no[0].Gate != c.gate || no[0].Reason != c.reason) {
				t.Errorf("want %s %s: %+v", c.gate, c.reason, no)
			}
		})
	}
}

func TestADefinitionIsTakenAwayOnlyWhileTheVMRunsElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*gate.Question)
		reason string
	}{
		"it runs elsewhere":        {func(*gate.Question) {}, ""},
		"it runs nowhere":          {func(q *gate.Question) { q.Sighting.Hosts[1].State = cluster.VMShutoff }, "not-running"},
		"it runs here":             {func(q *gate.Question) { q.Sighting.Hosts[0].State = cluster.VMRunning }, "runs"},
		"it is not known here":     {func(q *gate.Question) { q.Sighting.Hosts[0].Defined = false }, "there-already"},
		"nothing is kept of it":    {func(q *gate.Question) { q.Kept = false }, "not-kept"},
		"another VM has its UUID":  {func(q *gate.Question) { q.Sighting.Hosts[0].Name = "web2" }, "renamed"},
		"the host does not answer": {func(q *gate.Question) { q.Sighting.Hosts = q.Sighting.Hosts[1:] }, "source-silent"},
	} {
		t.Run(name, func(t *testing.T) {
			q := stricken()
			q.Rec.Action.Kind, q.Rec.Action.From, q.Rec.Action.To = cluster.Forget, "h1", ""
			q.Sighting.Hosts[0].Defined, q.Sighting.Hosts[1].State = true, cluster.VMRunning
			c.spoil(&q)
			no := gate.Refusals(gate.Ask(gate.All(), q))
			if c.reason == "" && len(no) > 0 || c.reason != "" && (len(no) != 1 || no[0].Reason != c.reason) {
				t.Errorf("want %s: %+v", c.reason, no)
			}
		})
	}
}

// What bounds the rest does not hold up what brings VMs back; who pauses everything pauses that as well.
func TestWhatBoundsTheRestDoesNotBoundRecovery(t *testing.T) {
	q := stricken()
	q.Policy.ActionsPerHour, q.Policy.StormFailures, q.Policy.StormWindow = 1, 1, time.Hour
	q.Begun = []gate.Begun{{At: q.Now.Add(-time.Minute), Action: cluster.Action{Kind: cluster.Migrate, From: "h1", To: "h2"}}}
	q.Storm = []time.Time{q.Now.Add(-time.Minute)}
	q.Policy.Freezes = []gate.Freeze{{Name: "christmas", Schedule: always{}, Duration: time.Hour}}
	q.Policy.Parallel = gate.Parallel{Cluster: 1}
	q.InFlight = []cluster.Action{{Kind: cluster.Migrate, VM: "other", From: "h1", To: "h2"}}
	q.Failures, q.Policy.RecoveryBackOff = []time.Time{q.Now.Add(-11 * time.Second)}, 10*time.Second
	if no := gate.Refusals(gate.Ask(gate.All(), q)); len(no) > 0 {
		t.Errorf("%+v", no)
	}
	q.Failures = []time.Time{q.Now.Add(-9 * time.Second)}
	q.Policy.Freezes[0].Kinds = []string{cluster.Restart}
	q.Orders = cluster.Orders{{Kind: cluster.OrderPause, Subject: "cluster", Word: cluster.Approval{Who: "ann"}}}
	var gates []string
	for _, v := range gate.Refusals(gate.Ask(gate.All(), q)) {
		gates = append(gates, v.Gate)
	}
	if got := strings.Join(gates, " "); got != "pause freeze failures" {
		t.Errorf("refused by %s", got)
	}
}

// always is a schedule that begins again every minute.
type always struct{}

func (always) Next(t time.Time) time.Time { return t.Add(time.Minute) }
