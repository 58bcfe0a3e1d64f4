package actuator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// asked is a recommendation of what somebody asks for.
func asked(a cluster.Action) cluster.Recommendation {
	if a.VM != "" {
		a.Name = "name-" + a.VM
	}
	return cluster.Recommendation{Policy: a.Kind.Policy(), Priority: 2, Action: a, Made: time.Now(), Expires: time.Now().Add(time.Hour)}.Identified()
}

func request(a *Actuator, r cluster.Recommendation, who string) (cluster.Case, error) {
	return a.Request(context.Background(), r, cluster.Approval{Who: who, Via: "test", At: time.Now()})
}

func TestWhatAPersonAsksForIsDoneAndProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		for _, act := range []cluster.Action{
			{Kind: cluster.Suspend, VM: "v1", From: "h1"}, {Kind: cluster.Resume, VM: "v1", From: "h1"}, {Kind: cluster.Reset, VM: "v1", From: "h1"},
			{Kind: cluster.Shutdown, VM: "v1", From: "h1"}, {Kind: cluster.Start, VM: "v1", To: "h1"}, {Kind: cluster.Migrate, VM: "v1", From: "h1", To: "h2"},
		} {
			r := asked(act)
			if c, err := request(a, r, "alice"); err != nil || c.State != cluster.CaseApproved {
				t.Fatalf("%s: %s %v %+v", act, c.State, err, c.Verdicts)
			}
			time.Sleep(time.Minute)
			c, err := a.Case(r.ID)
			if err != nil || c.State != cluster.CaseDone || c.Measured == nil {
				t.Errorf("%s: %s %v %+v %+v", act, c.State, err, c.Outcome, c.Measured)
			}
			if p, known := c.Promise(); !known || !p.Kept {
				t.Errorf("%s: promise %+v", act, p)
			}
		}
		if got := s.where("v1"); got != "h2" {
			t.Errorf("it is on %s", got)
		}
		if got := strings.Join(s.kinds()[:4], " "); got != "approved intent outcome measured" {
			t.Errorf("the journal says %s", got)
		}
	})
}

func TestARefusedRequestLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelFull)
		for reason, act := range map[string]cluster.Action{
			"the VM is running on h1":                {Kind: cluster.Resume, VM: "v1", From: "h1"},
			"h1 has the VM already":                  {Kind: cluster.Start, VM: "v1", To: "h1"},
			"h2 does not know the VM":                {Kind: cluster.Start, VM: "v1", To: "h2"},
			"somebody moved it":                      {Kind: cluster.Reset, VM: "v1", From: "h2"},
			"Prometheus knows no host h9":            {Kind: cluster.Maintenance, From: "h9"},
			"it is no migration from one host to an": {Kind: cluster.Migrate, VM: "v1", From: "h1", To: "h1"},
		} {
			c, err := request(a, asked(act), "alice")
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), reason) || len(c.Verdicts) == 0 {
				t.Errorf("%s: %v", act, err)
			}
		}
		wrong := asked(cluster.Action{Kind: cluster.Reset, VM: "v1", From: "h1"})
		wrong.Action.Name = "other"
		if _, err := request(a, wrong.Identified(), "alice"); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), `h1 calls the VM "name-v1", and it was "other"`) {
			t.Errorf("another VM under the UUID: %v", err)
		}
		if len(s.kinds()) > 0 {
			t.Errorf("the journal has %v", s.kinds())
		}
		time.Sleep(time.Minute)
		if len(s.moves()) > 0 || len(a.List(func(cluster.Case) bool { return true })) > 0 {
			t.Error("something is left of it")
		}
	})
}

func TestASilentHostCouldRunTheVM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.states["v1"] = cluster.VMShutoff
		s.silent["h3"] = true
		a, _, _ := running(t, s, cluster.LevelManual)
		if _, err := request(a, asked(cluster.Action{Kind: cluster.Start, VM: "v1", To: "h1"}), "alice"); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "h3 does not answer: no route, and could run the VM") {
			t.Errorf("it is started while a host is silent: %v", err)
		}
	})
}

func TestWhatARunbookAsksForWaitsForAPersonAndOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, stop := running(t, s, cluster.LevelManual)
		r := asked(cluster.Action{Kind: cluster.Reset, VM: "v1", From: "h1"})
		if _, err := a.Propose(r); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Propose(asked(r.Action)); !errors.Is(err, ErrNotOpen) {
			t.Errorf("the same is proposed twice: %v", err)
		}
		time.Sleep(time.Minute)
		stop()
		a, _, _ = running(t, s, cluster.LevelManual)
		if state(t, a, r.ID) != cluster.CaseOpen || len(s.moves()) > 0 {
			t.Fatalf("after a restart it is %s", state(t, a, r.ID))
		}
		if err := approve(a, r.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if state(t, a, r.ID) != cluster.CaseDone {
			t.Errorf("it is %s", state(t, a, r.ID))
		}
		second := asked(cluster.Action{Kind: cluster.Suspend, VM: "v1", From: "h1"})
		if _, err := a.Propose(second); err != nil {
			t.Fatal(err)
		}
		if err := a.Withdraw(second.ID); err != nil || state(t, a, second.ID) != cluster.CaseWithdrawn {
			t.Errorf("%v, it is %s", err, state(t, a, second.ID))
		}
		if got := strings.Join(s.kinds(), " "); got != "proposed approved intent outcome measured proposed withdrawn" {
			t.Errorf("the journal says %s", got)
		}
	})
}

func TestAtLevelFullWhatARunbookAsksForHappensByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelFull)
		r := asked(cluster.Action{Kind: cluster.Maintenance, From: "h2"})
		r.Run = "run"
		r = r.Identified()
		if _, err := a.Propose(r); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if c, _ := a.Case(r.ID); c.State != cluster.CaseDone {
			t.Errorf("it is %s: %+v", c.State, c.Verdicts)
		}
		if o := a.Orders().Maintenance("h2", time.Now()); o == nil || o.Word.Who != "runbook run" {
			t.Errorf("the order is %+v", o)
		}
	})
}

func TestTwoPeopleForAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelFull)
		p := policy(cluster.LevelFull)
		p.Gate.TwoPeople = []string{"reset"}
		a.SetPolicy(p)
		r := asked(cluster.Action{Kind: cluster.Reset, VM: "v1", From: "h1"})
		if c, err := request(a, r, "alice"); err != nil || c.State != cluster.CaseOpen || len(c.Seconds) != 1 {
			t.Fatalf("%+v %v", c, err)
		}
		time.Sleep(time.Minute)
		if len(s.moves()) > 0 {
			t.Fatal("one yes sufficed")
		}
		if _, err := a.Approve(context.Background(), r.ID, cluster.Approval{Who: "bob", Via: "test", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if state(t, a, r.ID) != cluster.CaseDone {
			t.Errorf("it is %s", state(t, a, r.ID))
		}
	})
}

func TestWhatWasDoneCountsInTheOrderInWhichItWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		frozen, _ := s.Snapshot(context.Background(), time.Now()) // data older than all that follows
		for range 10 {
			for _, kind := range []cluster.Kind{cluster.Suspend, cluster.Resume} {
				if _, err := request(a, asked(cluster.Action{Kind: kind, VM: "v1", From: "h1"}), "alice"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
			}
			seen := frozen
			seen.VMs = slices.Clone(frozen.VMs)
			a.overlay(&seen, cluster.Recommendation{ID: "other"}, time.Now(), false)
			if v, _ := seen.VM("v1"); v.State != cluster.VMRunning {
				t.Fatalf("it was resumed and counts as %s", v.State)
			}
		}
	})
}

func TestInterpretOtherKinds(t *testing.T) {
	said := errors.New("broken pipe")
	for _, c := range []struct {
		kind    cluster.Kind
		word    string
		said    error
		settled bool
		result  cluster.Result
		reason  string
	}{
		{cluster.Start, "running", nil, true, cluster.ResultDone, ""},
		{cluster.Start, "running", said, true, cluster.ResultDone, "although: broken pipe"},
		{cluster.Start, "shutoff", said, true, cluster.ResultFailed, "broken pipe; it is shutoff on a"},
		{cluster.Start, "-", said, false, 0, "a does not answer"},
		{cluster.Shutdown, "shutoff", nil, true, cluster.ResultDone, ""},
		{cluster.Shutdown, "crashed", said, true, cluster.ResultDone, "although"},
		{cluster.Shutdown, "running", nil, true, cluster.ResultFailed, "shutdown was reported as done, but it is running on a"},
		{cluster.Suspend, "paused", nil, true, cluster.ResultDone, ""},
		{cluster.Suspend, "running", said, true, cluster.ResultFailed, "broken pipe"},
		{cluster.Resume, "running", nil, true, cluster.ResultDone, ""},
		{cluster.Resume, "paused", nil, true, cluster.ResultFailed, "it is paused"},
		{cluster.Reset, "running", nil, true, cluster.ResultDone, ""},
		{cluster.Reset, "running", said, true, cluster.ResultFailed, "it cannot be told whether it was reset"},
		{cluster.Reset, "shutoff", nil, true, cluster.ResultFailed, "it is shutoff on a"},
		{cluster.MoveStorage, "running", nil, true, cluster.ResultDone, ""},
		{cluster.MoveStorage, "running*", said, false, 0, "with a job under way"},
		{cluster.MoveStorage, "-", said, false, 0, "a does not answer"},
		{cluster.MoveStorage, "shutoff", nil, true, cluster.ResultFailed, "it is shutoff on a"},
		{cluster.KindNone, "running", nil, true, cluster.ResultFailed, "nobody knows"},
	} {
		act := cluster.Action{Kind: c.kind, VM: "v", From: "a", Pool: "p"}
		if c.kind == cluster.Start {
			act.From, act.To = "", "a"
		}
		hosts := says("a", c.word)
		for i := range hosts {
			hosts[i].Copying = hosts[i].Job
		}
		got := interpret(cluster.Sighting{VM: "v", Hosts: hosts}, act, c.said)
		if got.settled != c.settled || got.result != c.result || !strings.Contains(got.reason, c.reason) || c.reason == "" && got.reason != "" {
			t.Errorf("%s, %s with %v: %+v", c.kind, c.word, c.said, got)
		}
	}
	left := cluster.Sighting{VM: "v", Hosts: []cluster.SightingHost{{Host: "a", State: cluster.VMRunning, Elsewhere: []string{"vdb"}}}}
	if got := interpret(left, cluster.Action{Kind: cluster.MoveStorage, VM: "v", From: "a", Pool: "p"}, nil); got.result != cluster.ResultFailed || !strings.Contains(got.reason, "disks [vdb] are not in p") {
		t.Errorf("a disk that stayed: %+v", got)
	}
}
