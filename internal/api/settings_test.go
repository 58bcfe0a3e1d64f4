package api_test

import (
	"context"
	"testing"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func TestWhereThingsAreTakesTheRoleOperator(t *testing.T) {
	s, srv := serve(t, &house{}, nil)
	s.SetSettings([]cluster.Setting{{Key: "cluster", Value: "prod", Default: "default", Set: true}, {Key: "hosts[0].uri", Value: "qemu+tls://h1/system", Set: true, Restricted: true}})
	tokens := []api.Token{{Name: "vera", Secret: "viewer-viewer-viewer", Role: api.Viewer}, {Name: "anna", Secret: "approver-approver", Role: api.Approver}, {Name: "olga", Secret: "operator-operator", Role: api.Operator}}
	s.Configure(api.Access{Tokens: tokens, Anonymous: api.Viewer}, cluster.LevelManual)
	for token, sees := range map[string]bool{"": false, tokens[0].Secret: false, tokens[1].Secret: false, tokens[2].Secret: true} {
		list, err := api.NewClient(srv.URL, token, nil).Config(context.Background())
		if err != nil || len(list) != 2 || list[0].Value != "prod" || list[0].Withheld {
			t.Fatalf("%q: %+v, %v", token, list, err)
		}
		if got := list[1].Value == "qemu+tls://h1/system"; got != sees || list[1].Withheld == sees {
			t.Errorf("%q is told %+v", token, list[1])
		}
	}
}

func TestAutonomySaysWhatEachKindDoes(t *testing.T) {
	h := &house{promises: []cluster.Promise{{ID: "1", Policy: "balance", Kept: true}, {ID: "2", Policy: "balance"}, {ID: "3", Policy: "rules", Kept: true}}}
	s, srv := serve(t, h, nil)
	s.SetTrusted(levels{})
	a, err := api.NewClient(srv.URL, "", nil).Autonomy(context.Background())
	if err != nil || len(a.Kinds) != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	b, r := a.Kinds[0], a.Kinds[1]
	if b.Level.Policy != "balance" || b.Kept != 1 || b.Of != 2 || len(b.Last) != 2 || b.Last[0].ID != "2" || b.Changed == nil || b.Changed.Reason != "it failed" {
		t.Errorf("%+v", b)
	}
	if r.Kept != 1 || r.Of != 1 || r.Changed != nil {
		t.Errorf("%+v", r)
	}
}

func TestWhatHappensByItselfIsWhatTheGatesLetThrough(t *testing.T) {
	advance := cluster.Order{Kind: cluster.OrderApprove, Subject: "cluster", Policy: "balance"}
	maintenance := cluster.Order{Kind: cluster.OrderMaintenance, Subject: "host/h1"}
	for _, c := range []struct {
		level  cluster.KindLevel
		orders cluster.Orders
		want   string
	}{
		{cluster.KindLevel{Policy: "balance", Level: cluster.LevelManual}, nil, ""},
		{cluster.KindLevel{Policy: "balance", Level: cluster.LevelOff}, cluster.Orders{advance}, ""},
		{cluster.KindLevel{Policy: "balance", Level: cluster.LevelFull, TwoPeople: true}, cluster.Orders{advance}, ""},
		{cluster.KindLevel{Policy: "balance", Level: cluster.LevelFull}, nil, "everything that is advised and that the gates let through"},
		{cluster.KindLevel{Policy: "rules", Level: cluster.LevelPartial, LowRisk: true}, nil, "everything that is advised and that the gates let through"},
		{cluster.KindLevel{Policy: "balance", Level: cluster.LevelPartial}, nil, "what is mandatory (priority 1)"},
		{cluster.KindLevel{Policy: "balance", Level: cluster.LevelPartial}, cluster.Orders{advance}, "what is mandatory (priority 1), and what was approved in advance, while that holds"},
		{cluster.KindLevel{Policy: "rules", Level: cluster.LevelManual}, cluster.Orders{advance, maintenance}, ""},
		{cluster.KindLevel{Policy: "evacuate", Level: cluster.LevelManual}, cluster.Orders{maintenance}, "what empties a host that somebody put into maintenance or standby"},
	} {
		h := &house{standing: c.orders}
		s, srv := serve(t, h, nil)
		s.SetTrusted(oneLevel(c.level))
		a, err := api.NewClient(srv.URL, "", nil).Autonomy(context.Background())
		if err != nil || len(a.Kinds) != 1 || a.Kinds[0].ByItself != c.want {
			t.Errorf("%+v with %v: %+v, %v", c.level, c.orders, a.Kinds, err)
		}
	}
}

// oneLevel is the level of one kind.
type oneLevel cluster.KindLevel

func (l oneLevel) Levels() []cluster.KindLevel { return []cluster.KindLevel{cluster.KindLevel(l)} }

func (oneLevel) Trust() []cluster.TrustChange { return nil }

// levels are those of two kinds, of which one lost trust.
type levels struct{}

func (levels) Levels() []cluster.KindLevel {
	return []cluster.KindLevel{{Policy: "balance", Earned: true, Level: cluster.LevelManual, Ceiling: cluster.LevelFull}, {Policy: "rules", Level: cluster.LevelFull, Ceiling: cluster.LevelFull}}
}

func (levels) Trust() []cluster.TrustChange {
	return []cluster.TrustChange{{Policy: "balance", From: cluster.LevelFull, To: cluster.LevelManual, Reason: "it failed"}}
}
