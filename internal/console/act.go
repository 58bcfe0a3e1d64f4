package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// acts are what a person can do about the subject of a page.
type acts struct {
	// Host or VM is the name or the ID of what it is about.
	Host, VM string
	Subject  string
	List     []act
	Lifts    []order
	May      bool
	// Form and Back are those of the page.
	Form, Back string
}

// Acts hands what can be done about the subject to the part that draws it.
func (p page) Acts(v subject) acts {
	a := acts{May: p.Person.May("operator"), Form: p.Form, Back: p.Back}
	if v.VM != nil {
		a.VM, a.Subject, a.List = v.VM.ID, cluster.VMSubject(v.VM.ID), actsOf(v.targets(), *v.VM)
	} else {
		a.Host, a.Subject = v.Name, cluster.HostSubject(v.Name)
		if !v.Host.Physical {
			a.List = actsOn(v.Host.State)
		}
	}
	a.Lifts = lifts(p.Status.Orders, a.Subject)
	return a
}

// AllActs is what can be done about the whole cluster.
func (p page) AllActs() acts {
	return acts{Subject: "cluster", May: p.Person.May("operator"), Form: p.Form, Back: p.Back, Lifts: lifts(p.Status.Orders, "cluster")}
}

// Paused tells whether there is a pause to be resumed.
func (a acts) Paused() bool {
	return slices.ContainsFunc(a.Lifts, func(o order) bool { return o.Word == cluster.OrderPause.String() })
}

// act is one of them.
type act struct {
	Kind, Word string
	// Targets are the hosts to choose from, where it goes to one.
	Targets []target
	// Test is that the host is woken at once.
	Test bool
}

// target is a host that a VM can be moved to; Not says why it may not be.
type target struct{ Host, Not string }

// targets are the other hosts, those first that the planner would let take the VM, by what each brings; then those of which it says why not, and those of which it says nothing.
func (v subject) targets() []target {
	var yes, no, unsaid []target
	said := map[string]bool{}
	for _, c := range v.Candidates {
		said[c.Host] = true
		if c.Constraint == "" {
			yes = append(yes, target{Host: c.Host})
		} else {
			no = append(no, target{c.Host, c.Constraint})
		}
	}
	for _, h := range v.Hosts {
		if h.ID != v.VM.Host && h.State == cluster.HostUp && !said[h.ID] {
			unsaid = append(unsaid, target{Host: h.ID})
		}
	}
	return slices.Concat(yes, no, unsaid)
}

// actsOf a VM are those that its state allows; the gates know more.
func actsOf(targets []target, vm cluster.VM) []act {
	switch vm.State {
	case cluster.VMRunning:
		return []act{{Kind: cluster.Migrate.String(), Word: "Move to", Targets: targets}, {Kind: cluster.Shutdown.String(), Word: "Shut down"},
			{Kind: cluster.Reset.String(), Word: "Reset"}, {Kind: cluster.Suspend.String(), Word: "Suspend"}}
	case cluster.VMPaused:
		return []act{{Kind: cluster.Resume.String(), Word: "Resume"}}
	case cluster.VMShutoff, cluster.VMCrashed:
		return []act{{Kind: cluster.Start.String(), Word: "Start"}}
	}
	return nil
}

// actsOn a host are those that its state allows.
func actsOn(state string) []act {
	switch state {
	case cluster.HostUp.String():
		return []act{{Kind: cluster.Maintenance.String(), Word: "Empty it for maintenance"}, {Kind: cluster.Standby.String(), Word: "Put into standby"},
			{Kind: cluster.Standby.String(), Word: "Test that it can be woken", Test: true}}
	case "standby":
		return []act{{Kind: cluster.Wake.String(), Word: "Wake"}}
	}
	return nil
}

// lifts are the orders about the subject that can be taken back.
func lifts(orders cluster.Orders, subject string) []order {
	var all []order
	for _, o := range orders {
		if o.Subject != subject {
			continue
		}
		switch o.Kind {
		case cluster.OrderPause:
			all = append(all, order{o.Kind.String(), "Resume what is paused"})
		case cluster.OrderMaintenance:
			all = append(all, order{o.Kind.String(), "End the maintenance"})
		}
	}
	return all
}

// trial is the page of what would come of an action.
type trial struct {
	api.DryRun
	Asked   api.ActionRequest
	Refusal int
	Sides   []side
	// Order is that it is asked for as an order, which lasts.
	Order bool
	Lasts []string
}

// asked reads what is asked for, from an address or a form.
func asked(r *http.Request) (a api.ActionRequest, err error) {
	a = api.ActionRequest{VM: r.FormValue("vm"), To: r.FormValue("to"), Host: r.FormValue("host"), Test: r.FormValue("test") == "true", Reason: r.FormValue("reason")}
	if err := a.Kind.UnmarshalText([]byte(r.FormValue("kind"))); err != nil {
		return a, err
	}
	a.Until, err = api.LastingUntil(r.FormValue("for"))
	return a, err
}

// try shows what would come of an action, before anybody asks for it.
func (c *Console) try(r *http.Request, p person) (name, title, here string, body any, err error) {
	a, err := asked(r)
	if err != nil {
		return "", "", "", nil, bad(err)
	}
	out, err := p.client.DryRun(r.Context(), a)
	if err != nil {
		return "", "", "", nil, err
	}
	v := trial{DryRun: out, Asked: a, Sides: sidesOf(cluster.Case{Recommendation: out.Recommendation}), Order: a.Kind == cluster.Maintenance}
	if v.Order || a.Kind == cluster.Standby && !a.Test {
		v.Lasts = []string{"1h", "8h", "1d", "7d"}
	}
	for _, g := range v.Verdicts {
		if !g.Pass {
			v.Refusal++
		}
	}
	return "try", "Dry run: " + out.Recommendation.Action.String(), "overview", v, nil
}

// bad is the answer to what cannot be understood.
func bad(err error) error {
	return &api.RefusedError{Status: http.StatusBadRequest, Problem: api.Problem{Error: err.Error()}}
}

// act asks for an action, and leads to the page on which it can be followed.
func (c *Console) act(w http.ResponseWriter, r *http.Request) {
	c.does(w, r, func(p person) (string, error) {
		a, err := asked(r)
		if err != nil {
			return "", bad(err)
		}
		if a.Kind == cluster.Maintenance {
			_, err := p.client.Order(r.Context(), api.OrderRequest{Kind: cluster.OrderMaintenance, Subject: cluster.HostSubject(a.Host), Until: a.Until, Reason: a.Reason})
			return "/hosts/" + url.PathEscape(a.Host), err
		}
		made, err := p.client.Ask(r.Context(), a)
		return "/recommendations/" + url.PathEscape(made.Recommendation.ID), err
	})
}

// order pauses or resumes, or ends a maintenance.
func (c *Console) order(w http.ResponseWriter, r *http.Request) {
	c.does(w, r, func(p person) (string, error) {
		o := api.OrderRequest{Subject: r.PostFormValue("subject"), Reason: r.PostFormValue("reason")}
		if err := o.Kind.UnmarshalText([]byte(r.PostFormValue("kind"))); err != nil {
			return "", bad(err)
		}
		send := p.client.Order
		if r.PostFormValue("lift") == "true" {
			send = p.client.Lift
		}
		_, err := send(r.Context(), o)
		return local(r.PostFormValue("back")), err
	})
}

// does takes a form to the API, if it is the person's own, and leads to where that says.
func (c *Console) does(w http.ResponseWriter, r *http.Request, do func(person) (to string, err error)) {
	p := c.person(r)
	if !c.own(r, p.session) {
		c.fail(w, r, p, http.StatusForbidden, errForeign)
		return
	}
	to, err := do(p)
	if err != nil {
		c.fail(w, r, p, statusOf(err), err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
