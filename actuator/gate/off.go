package gate

import (
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// maxLookAge is how old a verdict on a host may be. They are given every few seconds.
const maxLookAge = 15 * time.Second

// Off tells whether it is proven that the host is off, so that nothing runs there, and by what: by its BMC or, where that cannot be asked, by
// a person's word and a heartbeat that has ended. Nothing else is a proof.
func Off(watch []cluster.HostWatch, orders cluster.Orders, host string, now time.Time) (by string, off bool) {
	at := slices.IndexFunc(watch, func(w cluster.HostWatch) bool { return w.Host == host })
	if at < 0 {
		return "", false
	}
	w := watch[at]
	if age := now.Sub(w.LookedAt); age < 0 || age > maxLookAge {
		return "", false
	}
	if w.Verdict == "dead" {
		return "its BMC says that the power is off", true
	}
	heard := w.HeardAt
	if heard.IsZero() { // it may have come back since the word, before this server began to look
		heard = w.Since
	}
	if o := orders.Off(host, now); o != nil && w.Verdict == "unproven" && w.Heartbeat == "no" && o.Word.At.After(heard) {
		return fmt.Sprintf("%s said at %s that it is off, and its heartbeat has ended", o.Word.Who, stamp(o.Word.At)), true
	}
	return "", false
}

func (q Question) off(host string) bool {
	_, off := Off(q.Watch, q.Orders, host, q.Now)
	return off
}

// elsewhere tells whether a host that does not answer cannot have the VM all the same: it did not have it when it was heard last and was not to
// start it since, and the VM was seen last on a host that is proven off and was not moving it, or that answers now, and that had not let go of it. Who cannot be heard
// from here may well be reached by the others: a VM that has left one of them may have gone there.
func (q Question) elsewhere(silent string) bool {
	had, known := true, false
	var last cluster.LastWord
	for _, w := range q.LastWords {
		if w.Host == silent {
			had, known = w.State.Active(), true
			for _, s := range q.Started {
				had = had || s.Action.To == silent && !s.At.Before(w.At)
			}
		}
		if w.ActiveAt.After(last.ActiveAt) {
			last = w
		}
	}
	_, _, answers := q.Sighting.On(last.Host)
	return known && !had && last.Host != "" && last.Host != silent && !last.Left && (answers || q.off(last.Host) && settled(last))
}

// unmoved is for how long before the last word on a VM no job may have been seen under way for it, for it not to have left since: a
// migration that takes less time than passes from one reading of an exporter to the next is not seen.
const unmoved = 30 * time.Second

// unheardLife is for how long a host may have lived on after its last word for it to be taken to have died when it fell silent: stamps and
// words come every other second, and are told of as late.
const unheardLife = 8 * time.Second

// settled tells whether the VM was not about to leave when its host said the last word on it, by what its exporter said about jobs, and
// whether the host did not live on unheard, for then anything may have happened there.
func settled(last cluster.LastWord) bool {
	since := last.ActiveAt.Add(-unmoved)
	return last.ReadAt.After(since) && !last.BusyAt.After(since) && !last.LivedAt.After(last.ActiveAt.Add(unheardLife))
}

// forgettable wants the VM to run on another host by that host's own word, and this one to have its definition and not to run it.
func forgettable(q Question) cluster.Verdict {
	a := q.Rec.Action
	if a.VM == "" || a.From == "" || a.To != "" {
		return refuse("unknown-action", "it names no VM or no host")
	}
	if v := knows(q, a.From); !v.Pass {
		return v
	}
	runs := q.Sighting.RunsOn()
	for _, h := range q.Sighting.Hosts {
		switch {
		case h.Host == a.From && h.State.Active():
			return refuse("runs", fmt.Sprintf("the VM is %s on %s", h.State, a.From))
		case h.Host == a.From && !h.Defined:
			return refuse("there-already", fmt.Sprintf("%s does not know the VM", a.From))
		}
	}
	switch {
	case runs == "":
		return refuse("not-running", "no host says that it runs the VM, or several do: its definition could be needed")
	case !q.Kept:
		return refuse("not-kept", "no definition of the VM is kept, so none is taken away")
	}
	return pass(fmt.Sprintf("%s runs on %s and is only defined on %s", a.Name, runs, a.From))
}

// fenceable wants the host to be one of which nothing is heard: what lives is not turned off.
func fenceable(q Question) cluster.Verdict {
	a := q.Rec.Action
	if a.VM != "" || a.From == "" || a.To != "" {
		return refuse("unknown-action", "it is a host that is turned off")
	}
	at := slices.IndexFunc(q.Watch, func(w cluster.HostWatch) bool { return w.Host == a.From })
	if at < 0 {
		return refuse("not-seen", "nobody watches "+a.From)
	}
	w := q.Watch[at]
	switch age := q.Now.Sub(w.LookedAt); {
	case age < 0 || age > maxLookAge:
		return refuse("stale", fmt.Sprintf("%s was looked at last at %s", a.From, stamp(w.LookedAt)))
	case w.Verdict == "dead":
		return refuse("there-already", a.From+" is off")
	case w.Verdict != "hung" && w.Verdict != "unproven":
		return refuse("lives", fmt.Sprintf("%s is %s: %s", a.From, w.Verdict, w.Reason))
	case !q.Fenceable:
		return refuse("no-way", fmt.Sprintf("%s has no way to be turned off; add fence to it under hosts, or turn it off by hand and say so: evenkeel fence confirm %s", a.From, a.From))
	}
	return pass(fmt.Sprintf("%s is %s: %s", a.From, w.Verdict, w.Reason))
}
