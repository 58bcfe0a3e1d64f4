package console_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Waiting is part of api.Failures.
func (h *house) Waiting() []recovery.Waiting { return h.waiting }

// Impact is part of api.Failures.
func (h *house) Impact(cluster.Snapshot, string, string) (recovery.Impact, error) {
	return recovery.Impact{}, nil
}

// well is a house in which nothing is wrong.
func well() *house {
	h := newHouse(3, plainly)
	h.judged.Loads = slices.DeleteFunc(h.judged.Loads, func(l cluster.Load) bool { return l.Kind == cluster.KindPhysical })
	h.judged.Findings, h.judged.Lost = nil, cluster.Points{}
	return h
}

// That all is well is said where it is, and of nothing less.
func TestWhenTheKeelIsEven(t *testing.T) {
	srv, b, _ := open(t, well(), api.Viewer)
	if _, page := get(t, b, srv.URL+"/"); !strings.Contains(page, "✓ On an even keel:") {
		t.Errorf("all is well, and it does not say so:\n%s", page)
	}
	for what, c := range map[string]struct {
		spoil func(*house)
		says  string
	}{
		"the score":      {func(h *house) { h.judged.Lost.CPUContention = 40 }, "the score is poor, 60 of 100"},
		"a rule":         {func(h *house) { h.judged.Lost.Rules = 1 }, "rules are broken"},
		"nothing judged": {func(h *house) { h.judged.Scores = nil }, "no VM could be judged"},
		"an unknown end": {func(h *house) { h.cases[0].State = cluster.CaseUnknown }, "nobody knows what came of 1 actions"},
		"an unsafe host": {func(h *house) { h.judged.Failover.Cases = []admission.Case{{Kind: "host", Subject: "h0001"}} }, "1 of 1 failures that it is to survive are not proven to be"},
		"a failure stands": {func(h *house) {
			h.waiting = []recovery.Waiting{{Subject: "host/h0001", Stuck: true}, {Subject: "host/h0002"}}
		}, "1 failures need you"},
	} {
		t.Run(what, func(t *testing.T) {
			h := well()
			c.spoil(h)
			srv, b, s := open(t, h, api.Viewer)
			s.SetFailures(h)
			_, page := get(t, b, srv.URL+"/")
			has(t, page, "! Not on an even keel:", c.says)
		})
	}
}

// A host that is being emptied, so that it can sleep, is a host like others until it sleeps.
func TestAHostThatDiesBeforeItSleepsIsInTrouble(t *testing.T) {
	for asleep, want := range map[bool]bool{false: true, true: false} {
		h := well()
		h.judged.Loads[1].State = cluster.HostDown
		o := cluster.Order{Kind: cluster.OrderStandby, Subject: cluster.HostSubject("h0001"), Word: cluster.Approval{Who: "eve", At: time.Now()}}
		if asleep {
			o.Rest.Asleep = time.Now()
		}
		h.orders = cluster.Orders{o}
		srv, b, _ := open(t, h, api.Viewer)
		_, page := get(t, b, srv.URL+"/")
		if got := strings.Contains(page, "h0001</a>: it is down"); got != want {
			t.Errorf("asleep: %v, and it is in trouble: %v", asleep, got)
		}
		_, standby := get(t, b, srv.URL+"/?state=standby")
		_, down := get(t, b, srv.URL+"/?state=down")
		if !strings.Contains(standby, `href="/hosts/h0001"`) || strings.Contains(down, `<h3><a href="/hosts/h0001"`) {
			t.Error("the filter does not go by what the tile says")
		}
	}
}

// What holds everything back, and what happens by itself after a failure, is seen on the overview.
func TestWhatHoldsEverythingBackIsSeen(t *testing.T) {
	h := well()
	h.stops = []cluster.Verdict{{Gate: "storm", Detail: "3 actions failed in the last hour"}}
	srv, b, s := open(t, h, api.Viewer)
	s.SetTrusted(h)
	_, page := get(t, b, srv.URL+"/")
	has(t, page, "<strong>Stopped by storm:</strong> 3 actions failed in the last hour", "Armed for failures: what they stop is started again once a person has said yes.")
	h.orders = cluster.Orders{{Kind: cluster.OrderDisarm, Subject: "cluster", Word: cluster.Approval{Who: "eve", Reason: "the switch is changed", At: time.Now()}}}
	_, page = get(t, b, srv.URL+"/")
	has(t, page, "<strong>Disarmed:</strong>", "says eve (the switch is changed)")
	if strings.Contains(page, "Armed for failures") {
		t.Error("it is disarmed, and says that it is armed")
	}
}

// Of a day with more actions than are asked for, it is said where those shown begin, whether some of them expired or not.
func TestADayThatIsCutOffSaysSo(t *testing.T) {
	h := well()
	now := time.Now()
	for i := range 250 {
		c := h.cases[1]
		c.Recommendation.ID, c.Updated = fmt.Sprintf("done-%d", i), now.Add(-time.Duration(i)*time.Minute)
		if i%10 == 0 {
			c.State = cluster.CaseExpired
		}
		h.cases = append(h.cases, c)
	}
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/")
	has(t, page, "There was more: what is shown begins at", "<h3>Ordered</h3>", "ordered: pause host/h1, by eve", "; Orders: ")
	h.cases = h.cases[:100]
	if _, page := get(t, b, srv.URL+"/"); strings.Contains(page, "There was more") {
		t.Error("a day that is whole is said not to be")
	}
}

// Of many hosts those in trouble come first, a VM's name finds its host, and a group that is small enough shows its VMs.
func TestTheOneOfAThousandIsFound(t *testing.T) {
	h := newHouse(1000, plainly)
	h.judged.Loads[900].State = cluster.HostUnknown
	for i := range h.judged.Snapshot.Hosts {
		if i%50 == 0 {
			h.judged.Snapshot.Hosts[i].Tags = append(h.judged.Snapshot.Hosts[i].Tags, "gold")
		}
	}
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/")
	tiles := page[strings.Index(page, `<ul class="tiles`):]
	if at := strings.Index(tiles, `href="/hosts/h0900"`); at < 0 || at > 2000 {
		t.Errorf("the host that nobody sees stands at %d of the tiles", at)
	}
	if _, page := get(t, b, srv.URL+"/?q=web777-1"); strings.Count(page, `<li class="tile`) != 1 || !strings.Contains(page, `<h3><a href="/hosts/h0777"`) {
		t.Errorf("a VM's name does not find its host: %d tiles", strings.Count(page, `<li class="tile`))
	}
	_, page = get(t, b, srv.URL+"/?group=tag&in=gold")
	if strings.Count(page, `<li class="tile`) != 20 || !strings.Contains(page, `class="vm `) || !strings.Contains(page, `href="/vms/id-50-0"`) {
		t.Error("a group of 20 hosts does not show their VMs")
	}
}
