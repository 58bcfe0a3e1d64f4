package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Begins returns the freeze's beginnings, in its time zone.
func (f Freeze) Begins() (cluster.Times, error) { return times(f.Schedule, f.TimeZone) }

// LevelOf returns the most that may happen of the kind of action, and whether it must be earned.
func (a Automation) LevelOf(kind string) (level cluster.Level, earned bool) {
	own, ok := a.Kinds[kind]
	if !ok {
		own = a.Level
	}
	if own.Earned {
		return cluster.Level(a.Ceiling), true
	}
	return own.Level, false
}

// earns tells whether the level of anything is to be earned.
func (a Automation) earns() bool {
	for _, kind := range cluster.Policies() {
		if _, earned := a.LevelOf(kind); earned {
			return true
		}
	}
	return false
}

func (c Config) checkAutomation(p *problems) {
	a := c.Automation
	known := strings.Join(cluster.Policies(), ", ")
	for kind := range a.Kinds {
		p.add(!slices.Contains(cluster.Policies(), kind), "automation.kinds."+kind, "is no kind of action; use %s", known)
	}
	for _, list := range []struct {
		key   string
		kinds []string
	}{{"automation.low_risk", a.LowRisk}, {"automation.two_people", a.TwoPeople}} {
		for i, kind := range list.kinds {
			p.add(!slices.Contains(cluster.Policies(), kind), fmt.Sprintf("%s[%d]", list.key, i), "%q is no kind of action; use %s", kind, known)
		}
	}
	p.add(a.ActionsPerHour < 0, "automation.actions_per_hour", "is %d; give 0 for no limit, or how many actions may begin in an hour", a.ActionsPerHour)
	p.add(a.HostActionsPerHour < 0, "automation.host_actions_per_hour", "is %d; give 0 for no limit, or how many actions of a host may begin in an hour", a.HostActionsPerHour)
	p.add(!(a.MinHealthyHosts >= 0 && a.MinHealthyHosts <= 1), "automation.min_healthy_hosts", "is %g; it is a ratio, for example 0.5", a.MinHealthyHosts)
	p.add(a.Storm.Failures < 0, "automation.storm.failures", "is %d; give 0 for no limit, or how many actions may fail", a.Storm.Failures)
	p.add(a.ForeignMoves < 0, "automation.foreign_moves", "is %d; give 0 for no limit, or how many migrations a day others may make", a.ForeignMoves)
	p.add(a.Earn.Actions < 1, "automation.earn.actions", "is %d; trust takes at least one action", a.Earn.Actions)
	p.add(!(a.Earn.Quality > 0 && a.Earn.Quality < 1), "automation.earn.quality", "is %g; it is a ratio above 0 and below 1, for example 0.8", a.Earn.Quality)
	p.add(a.earns() && a.Ceiling < Level(cluster.LevelPartial), "automation.ceiling", "is missing or too low for a level that is to be earned; say how far it may go: partial or full")
	seen := map[string]bool{}
	for i, f := range a.Freezes {
		key := fmt.Sprintf("automation.freezes[%d]", i)
		p.add(f.Name == "" || seen[f.Name], key+".name", "is missing or stands twice; it is what the refusal names")
		seen[f.Name] = true
		p.add(f.Duration < Duration(time.Minute), key+".duration", "is %s; the least is 1m", time.Duration(f.Duration))
		_, err := f.Begins()
		p.add(err != nil, key+".schedule", "cannot be read: %v; write five fields of cron, for example \"0 22 * * FRI\", and a time_zone such as Europe/Berlin", err)
		for j, kind := range f.Kinds {
			p.add(!slices.Contains(cluster.Policies(), kind), fmt.Sprintf("%s.kinds[%d]", key, j), "%q is no kind of action; use %s", kind, known)
		}
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"cluster", c.Migration.Parallel.Cluster}, {"host", c.Migration.Parallel.Host}, {"link", c.Migration.Parallel.Link}} {
		p.add(n.value < 0, "migration.parallel."+n.key, "is %d; give 0 for no limit, or how many migrations may be under way at once", n.value)
	}
}
