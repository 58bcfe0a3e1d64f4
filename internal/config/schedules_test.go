package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

const scheduled = `hosts:
  - {name: h1, uri: "qemu+tls://h1/system", exporter: "h1:9177"}
  - name: h2
    uri: qemu+tls://h2/system
    exporter: h2:9177
    fence: [{redfish: "https://bmc2", username: u, password_file: p}]
schedules:
`

func TestWhatIsWrongAboutSchedulesIsNamed(t *testing.T) {
	const nightly = `schedule: "0 2 * * *", duration: 1h`
	for text, want := range map[string]string{
		`{` + nightly + `, never_sleep: {}}`:                                                                         "schedules[0].name: is missing or stands twice",
		`{name: a, schedule: "2:00", duration: 1h, never_sleep: {}}`:                                                 "schedules[0].schedule: cannot be read: schedule: expected exactly 5 fields",
		`{name: a, schedule: "@daily", duration: 1h, never_sleep: {}}`:                                               "schedules[0].schedule: cannot be read: schedule: @daily is not five fields",
		`{name: a, schedule: "0 0 31 2 *", duration: 1h, never_sleep: {}}`:                                           "schedules[0].schedule: cannot be read: schedule: there is no such day",
		`{name: a, ` + nightly + `, time_zone: Mars/Olympus, never_sleep: {}}`:                                       "schedules[0].schedule: cannot be read: time_zone: unknown time zone Mars/Olympus",
		`{name: a, schedule: "0 2 * * *", never_sleep: {}}`:                                                          "schedules[0].duration: is missing; say how long it lasts",
		`{name: a, schedule: "0 2 * * *", duration: 30s, never_sleep: {}}`:                                           "schedules[0].duration: is 30s; it runs from 1m to 7d",
		`{name: a, schedule: "0 2 * * *", duration: 8d, never_sleep: {}}`:                                            "schedules[0].duration: is 192h0m0s",
		`{name: a, schedule: "0 * * * *", duration: 2h, never_sleep: {}}`:                                            "schedules[0].duration: is 2h0m0s, and it begins again before that is over",
		`{name: a, ` + nightly + `}`:                                                                                 "schedules[0]: says 0 things to do; give exactly one",
		`{name: a, ` + nightly + `, never_sleep: {}, level: {automation: full}}`:                                     "schedules[0]: says 2 things to do",
		`{name: a, ` + nightly + `, never_sleep: {hosts: [h9]}}`:                                                     `schedules[0].never_sleep.hosts[0]: "h9" is not under hosts`,
		`{name: a, ` + nightly + `, never_sleep: {hosts: [h2, h2]}}`:                                                 `schedules[0].never_sleep.hosts[1]: "h2" stands twice`,
		`{name: a, ` + nightly + `, wake: {}}`:                                                                       "schedules[0].wake.hosts: is empty; name the hosts",
		`{name: a, ` + nightly + `, wake: {hosts: [h1]}}`:                                                            "schedules[0].wake.hosts[0]: h1 has no fence",
		`{name: a, ` + nightly + `, maintenance: {}}`:                                                                "schedules[0].maintenance.hosts: is empty",
		`{name: a, ` + nightly + `, maintenance: {hosts: [h1, h2]}}`:                                                 "schedules[0].maintenance.hosts: names every host",
		`{name: a, ` + nightly + `, level: {}}`:                                                                      "schedules[0].level: is empty; give automation",
		`{name: a, ` + nightly + `, level: {automation: brave}}`:                                                     `"brave" is no automation level`,
		`{name: a, ` + nightly + `, level: {kinds: {dance: full}}}`:                                                  "schedules[0].level.kinds.dance: is no kind of action",
		`{name: a, ` + nightly + `, level: {automation: earned}}`:                                                    "schedules[0].level: has a level that is to be earned, and automation.ceiling is missing",
		`{name: a, ` + nightly + `, never_sleep: {host: [h1]}}`:                                                      `there is no key "host" here`,
		`{name: a, ` + nightly + `, never_sleep: {}}` + "\n  - {name: a, " + nightly + `, level: {automation: off}}`: "schedules[1].name: is missing or stands twice",
	} {
		_, err := Parse("f.yml", []byte(scheduled+"  - "+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f.yml:") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestAWindowMayLastAllDay(t *testing.T) {
	if _, err := Parse("f.yml", []byte(scheduled+`  - {name: a, schedule: "0 0 * * *", time_zone: Europe/Paris, duration: 24h, never_sleep: {}}`+"\n")); err != nil {
		t.Error(err)
	}
}

func TestSchedulesAreRead(t *testing.T) {
	c, err := Parse("f.yml", []byte(scheduled+`
  - {name: office, schedule: "0 7 * * 1-5", time_zone: Europe/Paris, duration: 11h, never_sleep: {hosts: [h2]}}
  - {name: morning, schedule: "30 7 * * 1-5", time_zone: Europe/Paris, wake: {hosts: [h2]}}
  - {name: patches, schedule: "0 2 * * 0", duration: 4h, maintenance: {hosts: [h1]}}
  - {name: nights, schedule: "0 22 * * *", duration: 8h, level: {automation: full, kinds: {power: partial}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, s := range c.Schedules {
		kinds = append(kinds, s.Kind()+" "+strings.Join(s.Hosts(), ","))
	}
	if got := strings.Join(kinds, "; "); got != "never_sleep h2; wake h2; maintenance h1; level " {
		t.Errorf("%s", got)
	}
	if s := c.Schedules[1]; s.Duration != Duration(time.Hour) || s.Zone().String() != "Europe/Paris" {
		t.Errorf("%+v", s)
	}
	a := c.Automation.In(*c.Schedules[3].Level)
	for kind, want := range map[string]cluster.Level{"balance": cluster.LevelFull, "power": cluster.LevelPartial} {
		if got, earned := a.LevelOf(kind); got != want || earned {
			t.Errorf("%s at night: %s", kind, got)
		}
		if got, _ := c.Automation.LevelOf(kind); got != cluster.LevelManual {
			t.Errorf("%s by day: %s", kind, got)
		}
	}
}

// In Paris the clock goes from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
func TestTimesOnDaysOnWhichTheClockIsChanged(t *testing.T) {
	for _, c := range []struct {
		name, fields, zone, after string
		want                      []string
	}{
		{"in the hour that is left out", "30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"at its beginning", "0 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"several times in it", "*/20 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"just after it", "0 3 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
		{"in the hour that comes twice", "30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"asked between the two", "30 2 * * *", "Europe/Paris", "2026-10-25T00:45:00Z", []string{"2026-10-26T01:30:00Z"}},
		{"just before the clock is put back", "59 1 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", []string{"2026-10-24T23:59:00Z", "2026-10-26T00:59:00Z"}},
		{"just after the hour that comes twice", "0 3 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:00:00Z"}},
		{"half an hour is left out", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"no zone", "30 2 * * *", "", "2026-03-28T12:00:00Z", []string{"2026-03-29T02:30:00Z"}},
	} {
		begins, err := times(c.fields, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := time.Parse(time.RFC3339, c.after)
		for _, want := range c.want {
			at = begins.Next(at)
			if got := at.UTC().Format(time.RFC3339); got != want {
				t.Errorf("%s: %s, want %s", c.name, got, want)
			}
		}
	}
}

// Whatever the zone and the day, the next time lies ahead, nothing lies between, and the clock on the wall shows what was wanted
// or has just been put forward past it.
func TestLawTheNextTimeIsTheFirstAheadAndOnTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata"}).Draw(t, "zone")
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		begins, err := times(fmt.Sprintf("%d %d * * *", minute, hour), zone)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(1767225600, 1798761600).Draw(t, "at"), 0)
		next := begins.Next(at)
		if !next.After(at) || next.Sub(at) > 26*time.Hour {
			t.Fatalf("after %s comes %s", at, next)
		}
		if before := begins.Next(at.Add(next.Sub(at) / 2)); !before.Equal(next) {
			t.Fatalf("asked half way it is %s, and was %s", before, next)
		}
		wanted, shows := hour*60+minute, next.Hour()*60+next.Minute()
		was := next.Add(-time.Minute)
		skipped := was.Hour()*60+was.Minute() < wanted && shows > wanted
		midnight := shows == 60 && wanted < 60 && was.Hour() == 23 // where it is put forward at midnight
		if shows != wanted && !skipped && !midnight {
			t.Fatalf("%s shows %02d:%02d, and %02d:%02d was wanted", next, next.Hour(), next.Minute(), hour, minute)
		}
	})
}
