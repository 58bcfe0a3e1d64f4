package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Trusted knows the levels of the kinds of action, and how they came by them.
type Trusted interface {
	// Levels are those in force now, of every kind.
	Levels() []cluster.KindLevel
	// Trust is the last change of each kind that ever gained or lost trust.
	Trust() []cluster.TrustChange
}

// Autonomy is what may happen without a person, and why.
type Autonomy struct {
	// Level is the cluster's; Schedules are those that have levels of their own in force now.
	Level     cluster.Level           `json:"automation_level"`
	Schedules []cluster.ScheduleState `json:"level_schedules"`
	Kinds     []KindAutonomy          `json:"kinds"`
	// Orders are those in force; pauses and approvals in advance are among them.
	Orders cluster.Orders `json:"orders"`
}

// KindAutonomy is how a kind of action stands.
type KindAutonomy struct {
	Level cluster.KindLevel `json:"level"`
	// ByItself says what of it happens without a person's yes on each action, empty for nothing. Pauses hold all of it.
	ByItself string `json:"by_itself,omitempty"`
	// Standing is how far it is trusted, where its level is to be earned.
	Standing *trust.Standing `json:"standing,omitempty"`
	// Changed is when it last gained or lost trust.
	Changed *cluster.TrustChange `json:"changed,omitempty"`
	// Kept of Of promises were kept, of all that are known; Last are the newest, the newest first.
	Kept int               `json:"kept"`
	Of   int               `json:"of"`
	Last []cluster.Promise `json:"last"`
}

// lastPromises is how many promises of each kind are told.
const lastPromises = 5

// SetTrusted says who knows the levels.
func (s *Server) SetTrusted(t Trusted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted = t
}

func (s *Server) autonomy(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	trusted := s.trusted
	s.mu.Unlock()
	if trusted == nil {
		fail(w, http.StatusNotFound, errors.New("this server does nothing by itself"), nil)
		return
	}
	level, schedules := s.levelNow()
	a := Autonomy{Level: level, Schedules: orEmpty(schedules), Kinds: []KindAutonomy{}, Orders: orEmpty(s.desk.Orders())}
	promises, standings, changes := s.desk.Promises(), s.desk.Standings(), trusted.Trust()
	slices.Reverse(promises)
	for _, l := range trusted.Levels() {
		k := KindAutonomy{Level: l, ByItself: byItself(l, a.Orders), Last: []cluster.Promise{}}
		for _, p := range promises {
			if p.Policy == l.Policy {
				k.add(p)
			}
		}
		if i := slices.IndexFunc(standings, func(one trust.Standing) bool { return one.Policy == l.Policy }); i >= 0 {
			k.Standing = &standings[i]
		}
		if i := slices.IndexFunc(changes, func(one cluster.TrustChange) bool { return one.Policy == l.Policy }); i >= 0 {
			k.Changed = &changes[i]
		}
		a.Kinds = append(a.Kinds, k)
	}
	answer(w, a)
}

// byItself says what of a kind the gates let through without a person's yes on each. What was ordered is a yes as well.
func byItself(l cluster.KindLevel, orders cluster.Orders) string {
	if l.Level == cluster.LevelOff || l.TwoPeople {
		return ""
	}
	if l.Level == cluster.LevelFull || l.Level == cluster.LevelPartial && l.LowRisk {
		return "everything that is advised and that the gates let through"
	}
	var parts []string
	if l.Level == cluster.LevelPartial {
		parts = append(parts, "what is mandatory (priority 1)")
	}
	if slices.ContainsFunc(orders, func(o cluster.Order) bool { return o.Kind == cluster.OrderApprove && o.Policy == l.Policy }) {
		parts = append(parts, "what was approved in advance, while that holds")
	}
	if l.Policy == "evacuate" && slices.ContainsFunc(orders, func(o cluster.Order) bool {
		return o.Kind == cluster.OrderMaintenance || o.Kind == cluster.OrderStandby
	}) {
		parts = append(parts, "what empties a host that somebody put into maintenance or standby")
	}
	return strings.Join(parts, ", and ")
}

func (k *KindAutonomy) add(p cluster.Promise) {
	k.Of++
	if p.Kept {
		k.Kept++
	}
	if len(k.Last) < lastPromises {
		k.Last = append(k.Last, p)
	}
}

// Autonomy asks what may happen without a person.
func (c *Client) Autonomy(ctx context.Context) (Autonomy, error) {
	return get[Autonomy](ctx, c, "/api/v1/autonomy", nil)
}
