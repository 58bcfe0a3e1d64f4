package gate_test

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// rescue is a question about starting v1 on h2 because h1, where it ran, is off; h3 does not answer, and did not have it when it was heard last.
func rescue() gate.Question {
	q := of(cluster.Start)
	q.Rec.Policy, q.Rec.Action.To, q.Rec.Priority, q.Kept = cluster.Restart, "h2", 1, true
	q.Snapshot.VMs[0].Host = ""
	q.Sighting.Hosts = []cluster.SightingHost{{Host: "h2", State: cluster.VMShutoff}}
	ago := func(d time.Duration) time.Time { return q.Now.Add(-d) }
	q.WatchBegan = ago(time.Hour)
	q.Watch = []cluster.HostWatch{
		{Host: "h1", Verdict: "dead", Power: "no", LookedAt: q.Now, HeardAt: ago(time.Minute)},
		{Host: "h2", Verdict: "alive", Libvirt: "yes", LookedAt: q.Now, HeardAt: q.Now},
		{Host: "h3", Verdict: "isolated", Libvirt: "no", LookedAt: q.Now, HeardAt: ago(10 * time.Minute)},
	}
	q.LastWords = []cluster.LastWord{
		{Host: "h1", At: ago(time.Minute), ActiveAt: ago(time.Minute), ReadAt: ago(time.Minute), BusyAt: ago(2 * time.Minute), VMSeen: cluster.VMSeen{VM: "v1", Name: "web1", State: cluster.VMRunning}},
		{Host: "h3", At: ago(10 * time.Minute), VMSeen: cluster.VMSeen{VM: "v1", State: cluster.VMShutoff}},
	}
	return q
}

func TestAVMOfAHostThatIsOffStartsUnlessASilentHostCouldHaveIt(t *testing.T) {
	if no := gate.Refusals(gate.Ask(gate.All(), rescue())); len(no) > 0 {
		t.Fatalf("refused: %+v", no)
	}
	start := func(ago time.Duration) func(*gate.Question) {
		return func(q *gate.Question) {
			q.Started = []gate.Begun{{At: q.Now.Add(-ago), Action: cluster.Action{Kind: cluster.Start, VM: "v1", To: "h3"}}}
		}
	}
	for what, c := range map[string]struct {
		spoil  func(*gate.Question)
		reason string
	}{
		"h3 had it":                      {func(q *gate.Question) { q.LastWords[1].State = cluster.VMPaused }, "host-silent"},
		"nobody knows what h3 had":       {func(q *gate.Question) { q.LastWords = q.LastWords[:1] }, "host-silent"},
		"h1 is not proven off":           {func(q *gate.Question) { q.Watch[0].Verdict = "hung" }, "host-silent"},
		"it had left h1, perhaps for h3": {func(q *gate.Question) { q.LastWords[0].Left = true }, "host-silent"},
		"it was leaving h1":              {func(q *gate.Question) { q.LastWords[0].BusyAt = q.Now.Add(-70 * time.Second) }, "host-silent"},
		"nobody knows whether it was":    {func(q *gate.Question) { q.LastWords[0].ReadAt = time.Time{} }, "host-silent"},
		"h1 lived on unheard":            {func(q *gate.Question) { q.LastWords[0].LivedAt = q.Now.Add(-50 * time.Second) }, "host-silent"},
		"it was started on h3 since":     {start(5 * time.Minute), "host-silent"},
		"h2 has what is left after a panic": {func(q *gate.Question) {
			q.Rec.Action.To = "h3"
			q.Sighting.Hosts = append(q.Sighting.Hosts, cluster.SightingHost{Host: "h3", State: cluster.VMShutoff})
			q.Sighting.Hosts[0].State = cluster.VMCrashed
		}, "runs"},
	} {
		q := rescue()
		c.spoil(&q)
		if no := gate.Refusals(gate.Ask(gate.All(), q)); len(no) != 1 || no[0].Gate != "world" || no[0].Reason != c.reason {
			t.Errorf("%s: %+v", what, no)
		}
	}
	q := rescue()
	start(20 * time.Minute)(&q) // h3 has said since that it does not have it
	if no := gate.Refusals(gate.Ask(gate.All(), q)); len(no) > 0 {
		t.Errorf("started long ago: %+v", no)
	}
}

func TestAWordFromBeforeTheServerBeganProvesNothing(t *testing.T) {
	q := rescue()
	w := []cluster.HostWatch{{Host: "h1", Verdict: "unproven", Heartbeat: "no", LookedAt: q.Now, Since: q.Now.Add(-time.Minute)}}
	for ago, want := range map[time.Duration]bool{30 * time.Second: true, 24 * time.Hour: false} {
		orders := cluster.Orders{{Kind: cluster.OrderOff, Subject: "host/h1", Word: cluster.Approval{Who: "anna", At: q.Now.Add(-ago)}}}
		if _, off := gate.Off(w, orders, "h1", q.Now); off != want {
			t.Errorf("said %s ago, never heard since: off is %v", ago, off)
		}
	}
}
