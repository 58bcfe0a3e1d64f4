// Package schedule judges what the schedules ask for now: which hosts are to be woken, put into maintenance or let out of it,
// and what came of each window. It is pure: given the schedules, the time, what was written down and how the hosts stand, it
// says what to do and what to write down. It judges by what is so rather than by what has just begun, so that a server that
// was away finds its way back into the middle of a window. Levels and sleep that is forbidden are no business of its: the gates
// read those off the clock themselves.
package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Margin is by how much earlier a host is woken than it took the last time.
const Margin = 2 * time.Minute

// Schedule is a window that comes again, and what is done in it.
type Schedule struct {
	Name string
	// Kind is one of cluster.ScheduleNeverSleep, ScheduleWake, ScheduleMaintenance and ScheduleLevel.
	Kind string
	// Window opens, for hosts that are to be back by a time, as long before as waking one may take.
	cluster.Window
	// Zone is the one that people think of its times in.
	Zone *time.Location
	// Hosts are those that it is about; none for all, where that makes sense.
	Hosts []string
	// Levels says in words which levels it puts in force.
	Levels string
}

// Host is how a host stands.
type Host struct {
	Name string
	// Asleep tells that evenkeel keeps it off, Called that it is said already that it is to be woken by now.
	Asleep, Called bool
	// On tells that it answers.
	On bool
	// Kept tells that an order keeps it in maintenance, and By which schedule gave it, empty for a person; Until is when the order ends.
	Kept  bool
	By    string
	Until time.Time
	// Looked tells that it was seen since it is in maintenance, and Left which VMs ran on it then.
	Looked bool
	Left   []string
	// WakeTook is how long it took the last time until it was back, 0 for not known.
	WakeTook time.Duration
}

// Verb is what is to be done.
type Verb string

// The verbs.
const (
	// Call has a sleeping host woken.
	Call Verb = "wake"
	// Enter puts a host into maintenance, or prolongs that.
	Enter Verb = "enter"
	// Leave ends a maintenance that a schedule began.
	Leave Verb = "leave"
)

// Step is one thing that is to be done.
type Step struct {
	Do             Verb
	Schedule, Host string
	// Until is when a maintenance ends by itself, whatever becomes of the server.
	Until time.Time
	Why   string
}

// Look says what is to be done now, and what is known afterwards.
func Look(list []Schedule, book Book, hosts []Host, now time.Time) (Book, []Step) {
	next := Book{Pages: map[string]Page{}}
	var steps []Step
	for _, s := range list {
		page, todo := s.look(book.Pages[s.Name].clone(), hosts, now)
		next.Pages[s.Name] = page
		steps = append(steps, todo...)
	}
	return next, append(steps, leaving(list, next, hosts)...)
}

func (s Schedule) look(page Page, hosts []Host, now time.Time) (Page, []Step) {
	turn, open := s.Turn(now)
	if page.Open != nil && open && page.Open.At.Equal(turn.At) {
		page.Open.Turn = turn // its length may have been changed
	} else {
		page = s.account(page, turn, open, now)
	}
	page.Known = now
	if page.Open == nil {
		return page, nil
	}
	var steps []Step
	troubles := page.Open.Troubles
	page.Open.Short, page.Open.Troubles = nil, map[string]string{}
	for _, h := range s.about(hosts) {
		switch lack := s.lack(h); {
		case page.Open.has(h.Name):
		case lack == "":
			page.Open.Reached = append(page.Open.Reached, Mark{Host: h.Name, At: now})
		default:
			page.Open.Short = append(page.Open.Short, h.Name+" "+lack)
		}
		if h.By == s.Name && !slices.Contains(page.Open.Entered, h.Name) {
			page.Open.Entered = append(page.Open.Entered, h.Name)
		}
		step, todo := s.step(h, *page.Open, now)
		if !todo {
			continue // what failed before is of no matter now
		}
		if steps = append(steps, step); troubles[h.Name] != "" {
			page.Open.Troubles[h.Name] = troubles[h.Name]
		}
	}
	return page, steps
}

// account closes what was open, says what was missed, and opens what is open now.
func (s Schedule) account(page Page, turn cluster.Turn, open bool, now time.Time) Page {
	if o := page.Open; o != nil {
		page.close(s, now.Before(o.End) && !(open && turn.At.After(o.At)), now)
	}
	page.miss(s, turn, open, now)
	if !open {
		return page
	}
	page.Open = &Open{Turn: turn}
	due := turn.Begin
	if s.Kind == cluster.ScheduleWake {
		due = turn.At // that there was less time for it than there could have been is no matter
	}
	if !page.Known.IsZero() && page.Known.Before(due) && now.Sub(due) > tolerance {
		page.Open.Late = "began late at " + s.clock(now) + ", the server was down"
	}
	return page
}

// about are the hosts that the schedule is about. One that is named and not known is there as one of which nothing is known.
func (s Schedule) about(hosts []Host) []Host {
	if len(s.Hosts) == 0 && s.Kind != cluster.ScheduleLevel {
		return hosts
	}
	var list []Host
	for _, name := range s.Hosts {
		h := Host{Name: name}
		if i := slices.IndexFunc(hosts, func(h Host) bool { return h.Name == name }); i >= 0 {
			h = hosts[i]
		}
		list = append(list, h)
	}
	return list
}

// lack says what the host is not yet that the schedule wants it to be, or "".
func (s Schedule) lack(h Host) string {
	switch {
	case s.Kind == cluster.ScheduleMaintenance && h.Asleep:
		return "is off: evenkeel keeps it in standby"
	case s.Kind == cluster.ScheduleMaintenance && !h.Kept:
		return "is not in maintenance"
	case s.Kind == cluster.ScheduleMaintenance && !h.Looked:
		return "has not been seen since it entered maintenance"
	case s.Kind == cluster.ScheduleMaintenance && len(h.Left) > 0:
		return "is not empty: " + some(h.Left)
	case s.Kind == cluster.ScheduleMaintenance, s.Kind == cluster.ScheduleLevel:
		return ""
	case h.Asleep && h.Called:
		return "sleeps, and is to be woken"
	case h.Asleep:
		return "sleeps"
	case s.Kind == cluster.ScheduleWake && !h.On:
		return "does not answer, and evenkeel did not turn it off"
	}
	return ""
}

// some are the first of the names, and how many more there are.
func some(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// step is what is to be done to the host, if anything.
func (s Schedule) step(h Host, o Open, now time.Time) (Step, bool) {
	step := Step{Schedule: s.Name, Host: h.Name, Until: o.End, Do: Call}
	switch s.Kind {
	case cluster.ScheduleNeverSleep:
		step.Why = "schedule " + s.Name + " keeps it awake until " + s.clock(o.End)
		return step, h.Asleep && !h.Called
	case cluster.ScheduleWake:
		step.Why = "schedule " + s.Name + " wants it back by " + s.clock(o.At)
		return step, h.Asleep && !h.Called && !now.Before(o.At.Add(-s.ahead(h)))
	case cluster.ScheduleMaintenance:
		step.Do = Enter
		ours := slices.Contains(o.Entered, h.Name)
		// What a person ended is not begun again, and what a person began is not touched.
		return step, !h.Kept && !ours || h.By == s.Name && !h.Until.Equal(o.End)
	}
	return step, false
}

// ahead is how long before its time the host is woken.
func (s Schedule) ahead(h Host) time.Duration {
	if h.WakeTook > 0 {
		return min(h.WakeTook+Margin, s.Lead)
	}
	return s.Lead
}

// leaving ends the maintenance that schedules began and no longer want: they were changed or taken out of the configuration.
func leaving(list []Schedule, book Book, hosts []Host) []Step {
	var steps []Step
	for _, h := range hosts {
		wanted := slices.ContainsFunc(list, func(s Schedule) bool {
			return s.Name == h.By && s.Kind == cluster.ScheduleMaintenance && book.Pages[s.Name].Open != nil && slices.Contains(s.Hosts, h.Name)
		})
		if h.Kept && h.By != "" && !wanted {
			steps = append(steps, Step{Do: Leave, Schedule: h.By, Host: h.Name, Why: "schedule " + h.By + " does not want it any more"})
		}
	}
	return steps
}

// clock writes a time as the people of the schedule's zone do.
func (s Schedule) clock(t time.Time) string {
	return t.In(cmp.Or(s.Zone, time.UTC)).Format("15:04 MST")
}

// What says in words what the schedule does.
func (s Schedule) What() string {
	who := strings.Join(s.Hosts, ", ")
	switch s.Kind {
	case cluster.ScheduleNeverSleep:
		return cmp.Or(who, "every host") + " awake for " + short(s.Lasts)
	case cluster.ScheduleWake:
		return who + " back by then"
	case cluster.ScheduleMaintenance:
		return who + " in maintenance for " + short(s.Lasts)
	}
	return s.Levels + " for " + short(s.Lasts)
}

// short writes a duration without the parts that are zero.
func short(d time.Duration) string {
	text := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// State says how the schedule stands.
func (s Schedule) State(book Book, now time.Time) cluster.ScheduleState {
	page := book.Pages[s.Name]
	st := cluster.ScheduleState{Name: s.Name, Kind: s.Kind, What: s.What(), Next: s.Begins.Next(now)}
	switch turn, open := s.Turn(now); {
	case open && page.Open != nil && page.Open.At.Equal(turn.At):
		st.Last, st.Until, st.Result, st.Reason = turn.At, turn.End, cluster.ScheduleOpen, s.standing(*page.Open)
	case open: // it has just begun, and is not looked at yet
		st.Last, st.Until, st.Result = turn.At, turn.End, cluster.ScheduleOpen
	case page.Last != nil:
		st.Last, st.Result, st.Ended, st.Reason = page.Last.At, page.Last.Result, page.Last.Known, page.Last.Reason
	}
	return st
}
