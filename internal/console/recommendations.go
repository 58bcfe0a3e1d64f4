package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// mostEnded is how many ended recommendations a page lists.
const mostEnded = 30

// advice is the list of what is advised, runs, and ended not long ago.
type advice struct {
	Open, Busy, Ended []cluster.Case
	// Steps tells that some of those open belong to one plan.
	Steps bool
	// More tells that more have ended than are listed.
	More bool
}

func (c *Console) recommendations(r *http.Request, p person) (name, title, here string, body any, err error) {
	var v advice
	for _, one := range p.Cases {
		if one.State == cluster.CaseOpen {
			v.Open = append(v.Open, one)
		} else {
			v.Busy = append(v.Busy, one)
		}
	}
	made := map[time.Time]bool{}
	for _, one := range v.Open {
		made[one.Recommendation.Made] = true
	}
	v.Steps = len(made) < len(v.Open)
	if v.Ended, v.More, err = p.ended(r, ""); err != nil {
		return "", "", "", nil, err
	}
	return "recommendations", "Recommendations", "recommendations", v, nil
}

// ended are the newest of what has ended about a VM or host, or about anything; how many more there are nobody says, only whether.
func (p person) ended(r *http.Request, about string) (list []cluster.Case, more bool, err error) {
	list, err = p.client.History(r.Context(), about, mostEnded+1)
	list, rest := firstOf(list, mostEnded)
	return list, rest > 0, err
}

// one is the page of a recommendation.
type one struct {
	Case cluster.Case
	// Sides are the hosts before and after.
	Sides []side
	// Gates are the answers of the gates, Asked tells that they were asked just now; Unasked says why not.
	Gates   []cluster.Verdict
	Asked   bool
	Refusal int
	// Awaited tells that nothing but a person's yes is missing.
	Awaited bool
	Unasked string
	// Beside is how many others of the same plan are not done yet. Which of them the plan has before it is not told, but for what it depends on.
	Beside int
	// Instead is what is advised now, where this is not advised any more, for the same VM or away from the same host.
	Instead []cluster.Case
	// Promise is what came of what was promised; nil where that is not known yet.
	Promise *cluster.Promise
	// Waits are what the snooze offers.
	Waits []string
}

// side is one host of a recommendation.
type side struct {
	Host  string
	Pairs []pair
}

// pair is a number of a host before and after, and what was measured where that is known.
type pair struct {
	Name                    string
	Before, After, Measured bar
}

func (c *Console) recommendation(r *http.Request, p person) (name, title, here string, body any, err error) {
	id := r.PathValue("id")
	found, err := p.client.Recommendation(r.Context(), id)
	if err != nil {
		return "", "", "", nil, err
	}
	v := one{Case: found, Sides: sidesOf(found), Gates: found.Verdicts, Waits: []string{"1h", "8h", "24h", "168h"}}
	if found.State == cluster.CaseOpen || found.State == cluster.CaseApproved {
		if gates, err := p.client.Gates(r.Context(), id); err == nil {
			v.Gates, v.Asked = gates, true
		} else {
			v.Unasked = err.Error()
		}
	}
	if promise, known := found.Promise(); known {
		v.Promise = &promise
	}
	v.Beside = beside(found, p.Cases)
	if found.State == cluster.CaseWithdrawn || found.State == cluster.CaseExpired {
		v.Instead = instead(found.Recommendation.Action, p.Cases)
	}
	for _, g := range v.Gates {
		if !g.Pass {
			v.Refusal++
		}
	}
	v.Awaited = v.Refusal == 1 && slices.ContainsFunc(v.Gates, func(g cluster.Verdict) bool { return !g.Pass && g.Gate == cluster.ApprovalGate })
	return "recommendation", found.Recommendation.Action.String(), "recommendations", v, nil
}

// beside counts the other steps of the same plan that are not done yet: those made of the same look.
func beside(c cluster.Case, cases []cluster.Case) int {
	n := 0
	for _, one := range cases {
		if c.State == cluster.CaseOpen && one.Recommendation.Made.Equal(c.Recommendation.Made) && one.Recommendation.ID != c.Recommendation.ID {
			n++
		}
	}
	return n
}

// instead picks those open that are about the same VM or, where there are none, the same host.
func instead(a cluster.Action, cases []cluster.Case) []cluster.Case {
	var same, near []cluster.Case
	for _, one := range cases {
		b := one.Recommendation.Action
		switch {
		case one.State != cluster.CaseOpen:
		case a.Subject() == b.Subject():
			same = append(same, one)
		case a.From != "" && a.From == b.From:
			near = append(near, one)
		}
	}
	if len(same) > 0 {
		return same
	}
	near, _ = firstOf(near, mostListed)
	return near
}

// sidesOf draws the hosts on one scale.
func sidesOf(c cluster.Case) []side {
	var all []side
	scale := full
	effects := c.Expects().Effects
	for _, e := range effects {
		scale = max(scale, e.Before, e.After)
	}
	if c.Measured != nil {
		for _, e := range c.Measured.Effects {
			scale = max(scale, e.After)
		}
	}
	for _, e := range effects {
		i := slices.IndexFunc(all, func(s side) bool { return s.Host == e.Host })
		if i < 0 {
			i, all = len(all), append(all, side{Host: e.Host})
		}
		label := "CPU"
		if e.Name == cluster.MemoryUtilisation {
			label = "Memory"
		}
		made := pair{Name: label, Before: newBar("before", e.Before, scale, percent(e.Before)), After: newBar("after", e.After, scale, percent(e.After))}
		if c.Measured != nil {
			for _, m := range c.Measured.Effects {
				if m.Host == e.Host && m.Name == e.Name {
					made.Measured = newBar("measured", m.After, scale, percent(m.After))
				}
			}
		}
		all[i].Pairs = append(all[i].Pairs, made)
	}
	return all
}

// decide takes a person's word on a recommendation to the API.
func (c *Console) decide(w http.ResponseWriter, r *http.Request) {
	p, id, reason := c.person(r), r.PathValue("id"), r.PostFormValue("reason")
	if !c.own(r, p.session) {
		c.fail(w, r, p, http.StatusForbidden, errForeign)
		return
	}
	err := c.say(r, p, id, reason)
	if refused := (*api.RefusedError)(nil); errors.As(err, &refused) {
		if refused.Problem.Case == nil {
			c.fail(w, r, p, refused.Status, err)
			return
		}
		fresh := c.person(r) // the case stands otherwise now
		name, title, here, body, failed := c.recommendation(r, fresh)
		if failed == nil {
			c.render(w, r, fresh, name, refused.Status, page{Title: title, Here: here, Body: body, Problem: err.Error()})
			return
		}
	}
	if err != nil {
		c.fail(w, r, p, http.StatusBadRequest, err)
		return
	}
	http.Redirect(w, r, "/recommendations/"+url.PathEscape(id), http.StatusSeeOther)
}

func (c *Console) say(r *http.Request, p person, id, reason string) error {
	var err error
	switch word := r.PostFormValue("decision"); word {
	case "approve":
		_, err = p.client.Approve(r.Context(), id, reason)
	case "reject":
		_, err = p.client.Reject(r.Context(), id, reason)
	case "snooze":
		until, unclear := api.LastingUntil(r.PostFormValue("for"))
		if unclear != nil {
			return fmt.Errorf("put off: %w", unclear)
		}
		_, err = p.client.Snooze(r.Context(), id, reason, until)
	default:
		return fmt.Errorf("%q is no decision", word)
	}
	return err
}
