package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/robfig/cron/v3"
)

// times are those that five fields of cron name in a time zone.
func times(fields, timeZone string) (cluster.Times, error) {
	zone, err := time.LoadLocation(timeZone)
	if err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	if strings.Contains(fields, "TZ=") {
		return nil, errors.New("schedule: write the time zone under time_zone")
	}
	if strings.HasPrefix(fields, "@") {
		return nil, fmt.Errorf("schedule: %s is not five fields of cron", fields)
	}
	schedule, err := cron.ParseStandard(fields)
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	if schedule.Next(time.Unix(0, 0)).IsZero() {
		return nil, errors.New("schedule: there is no such day")
	}
	return zoned{schedule, zone}, nil
}

// zoned are the times of a clock on the wall in a time zone, whatever the zone of the times that it is asked about. Days on which
// that clock is changed have their times too: what falls into the hour that is left out comes when the clock goes on, and
// what falls into the hour that comes twice comes the first time alone.
type zoned struct {
	wall cron.Schedule
	zone *time.Location
}

// Next is the first after the time.
func (z zoned) Next(t time.Time) time.Time {
	for on := reading(t.In(z.zone)); ; {
		if on = z.wall.Next(on); on.IsZero() {
			return on
		}
		if at := z.instant(on); at.After(t) {
			return at
		}
	}
}

// reading is what a clock on the wall shows at the time, as a time in UTC.
func reading(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is when the clock on the wall shows that first or, where it never does, when it is put forward past it.
func (z zoned) instant(on time.Time) time.Time {
	t := time.Date(on.Year(), on.Month(), on.Day(), on.Hour(), on.Minute(), on.Second(), 0, z.zone)
	from, until := t.ZoneBounds()
	switch shows := reading(t); {
	case shows.After(on): // the reading is left out, and t lies behind the change
		return from
	case shows.Before(on): // the same, and t lies before it
		return until
	case from.IsZero():
		return t
	}
	_, offset := from.Add(-time.Second).Zone() // the clock may have shown the same before it was put back
	if before := on.Add(-time.Duration(offset) * time.Second).In(z.zone); before.Before(from) && reading(before).Equal(on) {
		return before
	}
	return t
}
