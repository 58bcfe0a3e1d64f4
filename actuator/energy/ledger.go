package energy

import (
	"maps"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// dayFormat names a day. keepDays is how many are kept, which is more than a year to compare with.
const (
	dayFormat = "2006-01-02"
	keepDays  = 800
)

// Ledger is what was saved, by day and host. It is pure: it knows no clock but what it is told.
type Ledger struct {
	// At is the instant up to which it is kept.
	At time.Time `json:"at"`
	// Idle are the watts that hosts drew with nothing to do, as they were measured last.
	Idle map[string]float64 `json:"idle,omitempty"`
	// Woken is when the last wake was that is in it, by host.
	Woken map[string]time.Time                 `json:"woken,omitempty"`
	Days  map[string]map[string]cluster.Saving `json:"days,omitempty"`
	// Total is of all days, those that are not kept any more included.
	Total map[string]cluster.Saving `json:"total,omitempty"`
}

// Sleeper is a host that sleeps.
type Sleeper struct {
	Host  string
	Since time.Time
	// SavedWatts is what it would draw awake and idle, less what it draws.
	SavedWatts float64
}

// Wake is one that came to an end, well or not.
type Wake struct {
	Host string
	At   time.Time
	// Wh is what falling asleep and waking takes.
	Wh float64
}

// keep brings the ledger up to now: who sleeps now has done so since it fell asleep, also while nobody kept the ledger.
func (l *Ledger) keep(now time.Time, sleepers []Sleeper, wakes []Wake) {
	begins := l.At.IsZero()
	if begins || l.At.After(now) { // a clock that was set back saves nothing twice
		l.At = now
	}
	for _, s := range sleepers {
		from := s.Since
		if l.At.After(from) {
			from = l.At
		}
		for from.Before(now) {
			end := midnight(from)
			if end.After(now) {
				end = now
			}
			l.add(from, s.Host, cluster.Saving{SleptSeconds: end.Sub(from).Seconds(), SavedWh: s.SavedWatts * end.Sub(from).Hours()})
			from = end
		}
	}
	for _, w := range wakes {
		if !w.At.After(l.Woken[w.Host]) {
			continue
		}
		if l.Woken == nil {
			l.Woken = map[string]time.Time{}
		}
		l.Woken[w.Host] = w.At
		if !begins { // what was before is not in it
			l.add(w.At, w.Host, cluster.Saving{SpentWh: w.Wh, Wakes: 1})
		}
	}
	l.At = now
	l.forget(now)
}

// midnight is the first instant of the next day, in the time's zone.
func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location())
}

func (l *Ledger) add(at time.Time, host string, s cluster.Saving) {
	if l.Days == nil {
		l.Days = map[string]map[string]cluster.Saving{}
	}
	if l.Total == nil {
		l.Total = map[string]cluster.Saving{}
	}
	day := at.Format(dayFormat)
	if l.Days[day] == nil {
		l.Days[day] = map[string]cluster.Saving{}
	}
	l.Days[day][host] = l.Days[day][host].Add(s)
	l.Total[host] = l.Total[host].Add(s)
}

func (l *Ledger) forget(now time.Time) {
	oldest := now.AddDate(0, 0, -keepDays).Format(dayFormat)
	maps.DeleteFunc(l.Days, func(day string, _ map[string]cluster.Saving) bool { return day < oldest })
}

// between sums the days from the first to before the end.
func (l *Ledger) between(first, end time.Time) cluster.Saving {
	var sum cluster.Saving
	for day, hosts := range l.Days {
		if day >= first.Format(dayFormat) && day < end.Format(dayFormat) {
			for _, s := range hosts {
				sum = sum.Add(s)
			}
		}
	}
	return sum
}

// periods are those that people ask for.
func (l *Ledger) periods(now time.Time) []cluster.PowerPeriod {
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	var all cluster.Saving
	for _, s := range l.Total {
		all = all.Add(s)
	}
	period := func(name string, from, end time.Time) cluster.PowerPeriod {
		return cluster.PowerPeriod{Name: name, From: from, Saving: l.between(from, end)}
	}
	return []cluster.PowerPeriod{
		period("today", today, today.AddDate(0, 0, 1)), period("yesterday", today.AddDate(0, 0, -1), today),
		period("this month", month, month.AddDate(0, 1, 0)), period("last month", month.AddDate(0, -1, 0), month),
		{Name: "all", Saving: all},
	}
}
