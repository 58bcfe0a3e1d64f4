package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Schedule is a time that comes again, and what is done in it: exactly one of NeverSleep, Wake, Maintenance and Level.
type Schedule struct {
	Name string `yaml:"name"`
	// Schedule is when it begins, as five fields of cron, in TimeZone.
	Schedule string `yaml:"schedule"`
	TimeZone string `yaml:"time_zone"`
	// Duration is how long it lasts.
	Duration Duration `yaml:"duration"`
	// NeverSleep keeps hosts from being put into standby, and wakes those that are when it begins; all hosts where none is named.
	NeverSleep *ScheduledHosts `yaml:"never_sleep"`
	// Wake has hosts back by the time at which it begins, and keeps them from falling asleep again while it lasts.
	Wake *ScheduledHosts `yaml:"wake"`
	// Maintenance keeps hosts empty.
	Maintenance *ScheduledHosts `yaml:"maintenance"`
	// Level has other automation levels in force.
	Level *ScheduledLevel `yaml:"level"`
}

// ScheduledHosts are the hosts that a schedule is about.
type ScheduledHosts struct {
	Hosts []string `yaml:"hosts"`
}

// ScheduledLevel are levels in place of those under automation.
type ScheduledLevel struct {
	// Automation is in place of the level, nil for the same; Kinds are in place of those of single kinds of action.
	Automation *AutomationLevel           `yaml:"automation"`
	Kinds      map[string]AutomationLevel `yaml:"kinds"`
}

const (
	// maxWindow is how long a window may last: what lasts longer is no window.
	maxWindow = Duration(7 * 24 * time.Hour)
	// awakeAfterwards is for how long a host that had to be back by a time is kept awake where nothing else is said.
	awakeAfterwards = Duration(time.Hour)
)

func (s *Schedule) fill() {
	if s.Wake != nil {
		s.Duration = cmp.Or(s.Duration, awakeAfterwards)
	}
}

// Kind is what is done in it, empty where nothing is said.
func (s Schedule) Kind() string {
	switch {
	case s.NeverSleep != nil:
		return cluster.ScheduleNeverSleep
	case s.Wake != nil:
		return cluster.ScheduleWake
	case s.Maintenance != nil:
		return cluster.ScheduleMaintenance
	case s.Level != nil:
		return cluster.ScheduleLevel
	}
	return ""
}

// Hosts are those that it names.
func (s Schedule) Hosts() []string {
	for _, of := range []*ScheduledHosts{s.NeverSleep, s.Wake, s.Maintenance} {
		if of != nil {
			return of.Hosts
		}
	}
	return nil
}

// Zone is its time zone.
func (s Schedule) Zone() *time.Location {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return time.UTC // a configuration with such a zone is not loaded
	}
	return zone
}

// Begins returns the times at which it begins.
func (s Schedule) Begins() (cluster.Times, error) { return times(s.Schedule, s.TimeZone) }

// In returns the levels as they are while the schedule's are in force.
func (a Automation) In(l ScheduledLevel) Automation {
	if l.Automation != nil {
		a.Level = *l.Automation
	}
	kinds := maps.Clone(a.Kinds)
	if kinds == nil {
		kinds = map[string]AutomationLevel{}
	}
	maps.Copy(kinds, l.Kinds)
	a.Kinds = kinds
	return a
}

func (c Config) checkSchedules(p *problems) {
	seen := map[string]bool{}
	for i, s := range c.Schedules {
		key := fmt.Sprintf("schedules[%d]", i)
		p.add(s.Name == "" || seen[s.Name], key+".name", "is missing or stands twice; it is what evenkeel schedules and refusals name")
		seen[s.Name] = true
		said := 0
		for _, there := range []bool{s.NeverSleep != nil, s.Wake != nil, s.Maintenance != nil, s.Level != nil} {
			if there {
				said++
			}
		}
		p.add(said != 1, key, "says %d things to do; give exactly one of never_sleep, wake, maintenance and level", said)
		_, err := s.Begins()
		p.add(s.overlaps(), key+".duration", "is %s, and it begins again before that is over; make it shorter, or have it begin less often", time.Duration(s.Duration))
		p.add(err != nil, key+".schedule", "cannot be read: %v; write five fields of cron, for example \"0 7 * * 1-5\", and a time_zone such as Europe/Paris", err)
		p.add(s.Duration == 0, key+".duration", "is missing; say how long it lasts, for example 4h")
		p.add(s.Duration != 0 && (s.Duration < Duration(time.Minute) || s.Duration > maxWindow), key+".duration", "is %s; it runs from 1m to 7d", time.Duration(s.Duration))
		c.checkScheduled(p, key+"."+s.Kind(), s)
	}
}

// overlaps tells whether the window begins again before it has closed, of which nobody could say what came of it. It counts in days
// of 24 hours: that a window of a whole day is longer than the one on which clocks are put forward is no matter.
func (s Schedule) overlaps() bool {
	begins, err := times(s.Schedule, "UTC")
	if err != nil {
		return false // which is said already
	}
	at := begins.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for range 400 { // more than a year of what comes daily
		next := begins.Next(at)
		if next.IsZero() || next.Sub(at) < time.Duration(s.Duration) {
			return !next.IsZero()
		}
		at = next
	}
	return false
}

// checkScheduled looks at what a schedule does.
func (c Config) checkScheduled(p *problems, key string, s Schedule) {
	kind, named := s.Kind(), map[string]bool{}
	p.add(len(s.Hosts()) == 0 && (kind == cluster.ScheduleWake || kind == cluster.ScheduleMaintenance), key+".hosts", "is empty; name the hosts")
	for i, name := range s.Hosts() {
		at := fmt.Sprintf("%s.hosts[%d]", key, i)
		h := slices.IndexFunc(c.Hosts, func(h Host) bool { return h.Name == name })
		p.add(h < 0, at, "%q is not under hosts", name)
		p.add(named[name], at, "%q stands twice", name)
		p.add(h >= 0 && kind == cluster.ScheduleWake && len(c.Hosts[h].Fence) == 0, at, "%s has no fence, without which evenkeel puts no host into standby and wakes none", name)
		named[name] = true
	}
	p.add(kind == cluster.ScheduleMaintenance && len(named) > 0 && len(named) >= len(c.Hosts), key+".hosts", "names every host; leave some for the VMs")
	if kind != cluster.ScheduleLevel {
		return
	}
	l := *s.Level
	p.add(l.Automation == nil && len(l.Kinds) == 0, key, "is empty; give automation, a level, or kinds, a map of kinds of action to levels")
	for of := range l.Kinds {
		p.add(!slices.Contains(cluster.Policies(), of), key+".kinds."+of, "is no kind of action; use %s", strings.Join(cluster.Policies(), ", "))
	}
	p.add(c.Automation.In(l).earns() && c.Automation.Ceiling < Level(cluster.LevelPartial), key, "has a level that is to be earned, and automation.ceiling is missing or too low; say how far it may go: partial or full")
}
