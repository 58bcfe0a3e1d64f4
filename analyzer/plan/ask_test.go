package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
)

func TestAskCompletesWhatAPersonAsksFor(t *testing.T) {
	s := with(with(pool(3), "1", "a", 2, 8), "2", "b", 1, 4)
	at := clustertest.At().Add(time.Minute)
	r, err := plan.Ask(s, cluster.Action{Kind: cluster.Migrate, VM: "vm-1", To: "c"}, "alice asked for it", usual(3), at)
	if err != nil {
		t.Fatal(err)
	}
	if want := (cluster.Action{Kind: cluster.Migrate, VM: "1", Name: "vm-1", From: "a", To: "c"}); r.Action != want {
		t.Errorf("the action is %+v", r.Action)
	}
	if r.Policy != "move" || !r.Asked() || r.ID == "" || r.Reason != "alice asked for it" || !r.Made.Equal(at) || !r.Expires.Equal(at.Add(15*time.Minute)) {
		t.Errorf("it is %+v", r)
	}
	if r.PredictedSeconds < 8 || len(r.Effects) != 4 || r.Effects[0].Before <= r.Effects[0].After {
		t.Errorf("it predicts %v s and %+v", r.PredictedSeconds, r.Effects)
	}
	for kind, to := range map[cluster.Kind]string{cluster.Reset: "", cluster.Start: "b"} {
		r, err := plan.Ask(s, cluster.Action{Kind: kind, VM: "2"}, "", usual(3), at)
		if err != nil || r.Action.At() != "b" || r.Action.To != to || r.Before != r.After {
			t.Errorf("%s: %+v %v", kind, r, err)
		}
	}
}

func TestAskSaysWhatCannotBeBefore(t *testing.T) {
	s := with(with(pool(2), "1", "a", 2, 8), "2", "b", 1, 4)
	s.VMs[1].Name = "vm-1"
	s.Hosts[1].Hypervisor = "Xen"
	for want, a := range map[string]cluster.Action{
		`no VM has the name or UUID "9"`:             {Kind: cluster.Reset, VM: "9"},
		`2 VMs are called "vm-1"`:                    {Kind: cluster.Reset, VM: "vm-1"},
		`there is no host "z"; the hosts are a, b`:   {Kind: cluster.Migrate, VM: "1", To: "z"},
		"there is nothing to move":                   {Kind: cluster.Migrate, VM: "1", To: "a"},
		"b: libvirt cannot reset a domain on Xen":    {Kind: cluster.Reset, VM: "2"},
		"b: libvirt cannot copy the disks of a runn": {Kind: cluster.MoveStorage, VM: "2", Pool: "p"},
	} {
		if _, err := plan.Ask(s, a, "", usual(3), clustertest.At()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	r, err := plan.Ask(s, cluster.Action{Kind: cluster.MoveStorage, VM: "1", Pool: "p"}, "why", usual(3), clustertest.At())
	if err != nil || !strings.Contains(r.Reason, "a shares no pool p with others") {
		t.Errorf("%s %v", r.Reason, err)
	}
}
