package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/schedule"
	"github.com/evenkeel/evenkeel/actuator/timetable"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/spf13/cobra"
)

// schedules are those of the configuration.
func schedules(c config.Config) []schedule.Schedule {
	var list []schedule.Schedule
	for _, s := range c.Schedules {
		list = append(list, schedule.Schedule{Name: s.Name, Kind: s.Kind(), Window: window(c, s), Zone: s.Zone(), Hosts: s.Hosts(), Levels: levelWords(s)})
	}
	return list
}

// window is when the schedule is open: for hosts that are to be back by a time from when the slowest of them may have to be woken.
func window(c config.Config, s config.Schedule) cluster.Window {
	begins, err := s.Begins()
	if err != nil {
		return cluster.Window{Begins: never{}} // a configuration with such a schedule is not loaded
	}
	w := cluster.Window{Begins: begins, Lasts: time.Duration(s.Duration)}
	if s.Wake != nil {
		w.Lead = time.Duration(c.Power.WakeTimeout) + schedule.Margin
	}
	return w
}

// never are times that do not come.
type never struct{}

// Next is part of cluster.Times.
func (never) Next(time.Time) time.Time { return time.Time{} }

// awake are the times in which hosts are not put into standby.
func awake(c config.Config) []cluster.Awake {
	var list []cluster.Awake
	for _, s := range c.Schedules {
		if s.NeverSleep != nil || s.Wake != nil {
			list = append(list, cluster.Awake{Name: s.Name, Window: window(c, s), Hosts: s.Hosts()})
		}
	}
	return list
}

// hours are the times with levels of their own, made as the levels of the configuration are.
func hours(c config.Config) []actuator.Hours {
	var list []actuator.Hours
	for _, s := range c.Schedules {
		if s.Level == nil {
			continue
		}
		a := c.Automation.In(*s.Level)
		h := actuator.Hours{Window: window(c, s), Level: most(a)}
		h.Kinds, h.Earned = levels(a)
		list = append(list, h)
	}
	return list
}

// levelWords says which levels the schedule puts in force.
func levelWords(s config.Schedule) string {
	if s.Level == nil {
		return ""
	}
	name := func(l config.AutomationLevel) string {
		if l.Earned {
			return "earned"
		}
		return l.Level.String()
	}
	var words []string
	if l := s.Level.Automation; l != nil {
		words = append(words, "level "+name(*l))
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Level.Kinds)) {
		words = append(words, kind+" "+name(s.Level.Kinds[kind]))
	}
	return strings.Join(words, ", ")
}

// timesShown is what the API shows of the schedules, and of the level that they have in force.
type timesShown struct {
	*timetable.Room
	acting *actuator.Actuator
}

// Level is the cluster's automation level now.
func (t timesShown) Level() cluster.Level { return t.acting.Level() }

func newSchedules() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "schedules",
		Short: "Show what is done at set times, when it comes next and what came of it the last time",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			list, err := client.Schedules(cmd.Context())
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), list, func(t *table) { drawSchedules(t, list) })
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

func drawSchedules(t *table, list []cluster.ScheduleState) {
	if len(list) == 0 {
		t.line("nothing is scheduled; the configuration has no schedules")
		return
	}
	t.row("NAME", "WHAT", "NEXT", "LAST", "RESULT")
	for _, s := range list {
		t.row(s.Name, s.What, clock(s.Next), clock(s.Last), scheduleResult(s))
	}
}

// scheduleResult says what came of the last time, or until when the window is open.
func scheduleResult(s cluster.ScheduleState) string {
	result := orDash(s.Result)
	if s.Result == cluster.ScheduleOpen {
		result = "open until " + clock(s.Until)
	}
	if s.Reason != "" {
		return fmt.Sprintf("%s: %s", result, s.Reason)
	}
	return result
}
