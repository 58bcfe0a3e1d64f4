package schedule

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// tolerance is how late a window may begin without a word about it: servers are looked after while they start.
const tolerance = time.Minute

// Book is what is written down of all schedules. The zero Book is that of a server that has known none.
type Book struct {
	Pages map[string]Page `json:"pages"`
}

// Page is what is written down of one schedule.
type Page struct {
	// Known is until when it was looked after: turns that begin later are new.
	Known time.Time `json:"known"`
	// Open is the turn that is open, Last the one that ended last.
	Open *Open  `json:"open,omitempty"`
	Last *Ended `json:"last,omitempty"`
}

// Open is a turn that is open.
type Open struct {
	cluster.Turn
	// Late says why it began late, empty where it did not.
	Late string `json:"late,omitempty"`
	// Entered are the hosts that it put into maintenance.
	Entered []string `json:"entered,omitempty"`
	// Reached are the hosts that were as they should be, and when that was first seen.
	Reached []Mark `json:"reached,omitempty"`
	// Short says of those that never were what they lacked when it was looked last; Troubles are the last steps that failed, by host.
	Short    []string          `json:"short,omitempty"`
	Troubles map[string]string `json:"troubles,omitempty"`
}

// Mark is a time at which something was so of a host.
type Mark struct {
	Host string    `json:"host"`
	At   time.Time `json:"at"`
}

// Ended is a turn that is over.
type Ended struct {
	cluster.Turn
	// Known is when it was known what came of it.
	Known time.Time `json:"known"`
	// Result is done, failed or missed, Reason why.
	Result string `json:"result"`
	Reason string `json:"reason,omitempty"`
}

func (o Open) has(host string) bool {
	return slices.ContainsFunc(o.Reached, func(m Mark) bool { return m.Host == host })
}

// clone returns a page that shares nothing with this one.
func (p Page) clone() Page {
	if p.Open != nil {
		o := *p.Open
		o.Entered, o.Reached = slices.Clone(o.Entered), slices.Clone(o.Reached)
		p.Open = &o
	}
	return p
}

// close ends the turn that is open. One that ends early does so because the configuration or the clock was changed.
func (p *Page) close(s Schedule, early bool, now time.Time) {
	o := *p.Open
	failures := s.failures(o)
	p.Last, p.Open = &Ended{Turn: o.Turn, Known: now, Result: cluster.ScheduleDone, Reason: o.Late}, nil
	switch {
	case early:
		p.Last.Reason = joined(o.Late, "it was ended early: the configuration was changed")
	case len(failures) > 0:
		p.Last.Result, p.Last.Reason = cluster.ScheduleFailed, joined(append([]string{o.Late}, failures...)...)
	}
}

// miss notes the last turn that began and ended while nobody looked.
func (p *Page) miss(s Schedule, turn cluster.Turn, open bool, now time.Time) {
	if p.Known.IsZero() {
		return
	}
	missed := 0
	var last cluster.Turn
	for at := s.Begins.Next(p.Known.Add(s.Lead)); !at.IsZero() && !s.TurnAt(at).End.After(now); at = s.Begins.Next(at) {
		if t := s.TurnAt(at); (p.Last == nil || t.At.After(p.Last.At)) && !(open && t.At.Equal(turn.At)) {
			missed, last = missed+1, t
		}
	}
	if missed == 0 {
		return
	}
	reason := "the server was down"
	if missed > 1 {
		reason = fmt.Sprintf("the server was down, %d times in a row", missed)
	}
	p.Last = &Ended{Turn: last, Known: now, Result: cluster.ScheduleMissed, Reason: reason}
}

// failures say what is not as it should be, or was not in time.
func (s Schedule) failures(o Open) []string {
	var list []string
	for _, m := range o.Reached {
		if s.Kind == cluster.ScheduleWake && m.At.After(o.At) {
			list = append(list, fmt.Sprintf("%s was back at %s, after %s", m.Host, s.clock(m.At), s.clock(o.At)))
		}
	}
	list = append(list, o.Short...)
	for _, host := range slices.Sorted(maps.Keys(o.Troubles)) {
		list = append(list, host+": "+o.Troubles[host])
	}
	return list
}

// standing says of an open turn what is not as it should be yet.
func (s Schedule) standing(o Open) string {
	return joined(append([]string{o.Late}, s.failures(o)...)...)
}

// Note returns the book with what came of a step: why it failed, or "" where it did not. Fresh tells that this is news.
func (b Book) Note(step Step, why string) (noted Book, fresh bool) {
	page := b.Pages[step.Schedule].clone()
	if page.Open == nil || page.Open.Troubles[step.Host] == why {
		return b, false
	}
	troubles := map[string]string{}
	for host, was := range page.Open.Troubles {
		troubles[host] = was
	}
	troubles[step.Host] = why
	if why == "" {
		delete(troubles, step.Host)
	}
	page.Open.Troubles = troubles
	b.Pages[step.Schedule] = page
	return b, true
}

// Gist is all of the book but until when the schedules were looked after, to tell whether there is news in it.
func (b Book) Gist() string {
	gist := Book{Pages: map[string]Page{}}
	for name, p := range b.Pages {
		p.Known = time.Time{}
		gist.Pages[name] = p
	}
	text, _ := json.Marshal(gist) //nolint:errcheck // it holds times and texts alone
	return string(text)
}

// joined are the texts that are not empty, one after the other.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), "; ")
}
