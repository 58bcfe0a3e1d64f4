package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/relaytest"
)

func TestAServerKeepsToItsSchedulesAndShowsThem(t *testing.T) {
	dir, now := t.TempDir(), time.Now().UTC()
	file := write(t, filepath.Join(dir, "evenkeel.yml"), strings.ReplaceAll(`cluster: tiny
hosts:
  - {name: h1, uri: "qemu+tls://h1.invalid/system", exporter: "127.0.0.1:1"}
  - {name: h2, uri: "qemu+tls://h2.invalid/system", exporter: "127.0.0.1:1"}
scrape: {interval: 1s, timeout: 1s}
analysis: {interval: 1s, window: 4s, max_data_age: 2s}
schedules:
  - {name: nights, schedule: "NOW * * *", duration: 1h, level: {automation: "off", kinds: {power: full}}}
  - {name: patches, schedule: "NOW * * *", duration: 2h, maintenance: {hosts: [h2]}}
  - {name: office, schedule: "0 7 1 1 *", duration: 1m, never_sleep: {}}
`, "NOW", fmt.Sprintf("%d %d", now.Minute(), now.Hour())))
	addr := relaytest.FreeAddress(t)
	background(t, "server", "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+addr, "--log.level=error")
	ask := []string{"--server=http://" + addr, "--token-file=" + filepath.Join(dir, "token")}
	for command, want := range map[string][]string{
		"schedules": {"NAME", "level off, power full for 1h", "open until ", "h2 in maintenance for 2h", "every host awake for 1m"},
		"status":    {"automation level off", "the schedule nights has level off, power full for 1h, until ", "maintenance", "schedule patches"},
	} {
		await(t, command, func() error {
			out, err := execute(t, context.Background(), append([]string{command}, ask...)...)
			for _, text := range want {
				if err == nil && !strings.Contains(out, text) {
					err = errors.New(out)
				}
			}
			return err
		})
	}
	_, body, err := fetch(http.DefaultClient, "http://"+addr+"/metrics", "")
	for _, line := range []string{`evenkeel_schedule_open{schedule="nights"} 1`, `evenkeel_schedule_open{schedule="office"} 0`, `evenkeel_host_maintenance{host="h2"} 1`} {
		if err != nil || !strings.Contains(body, line) {
			t.Errorf("no %s on the page: %v", line, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "schedules.json")); err != nil || !strings.Contains(string(text), "patches") {
		t.Errorf("the book: %v %s", err, text)
	}
}

func TestALevelOfAScheduleIsMadeAsAConfiguredOne(t *testing.T) {
	const hosts = "hosts: [{name: h1, uri: 'qemu:///system', exporter: 'h1:9177'}]\n"
	for name, c := range map[string]struct{ automation, level, plain string }{
		"a level":            {"{level: manual, kinds: {balance: partial}}", "{automation: full}", "{level: full, kinds: {balance: partial}}"},
		"a kind":             {"{level: manual}", "{kinds: {power: full}}", "{level: manual, kinds: {power: full}}"},
		"one to be earned":   {"{level: manual, ceiling: full}", "{automation: earned}", "{level: earned, ceiling: full}"},
		"earned no longer":   {"{level: earned, ceiling: full, kinds: {rules: earned}}", "{automation: manual}", "{level: manual, ceiling: full, kinds: {rules: earned}}"},
		"off, whatever else": {"{level: full, kinds: {power: full}}", `{automation: "off"}`, `{level: "off", kinds: {power: full}}`},
	} {
		scheduled, err := config.Parse("a.yml", []byte(hosts+"automation: "+c.automation+"\nschedules: [{name: n, schedule: '0 0 * * *', duration: 1h, level: "+c.level+"}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := config.Parse("b.yml", []byte(hosts+"automation: "+c.plain+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		got, want := actuatorPolicy(scheduled).Hours[0], actuatorPolicy(plain)
		if got.Level != want.Gate.Level || len(got.Kinds) == 0 {
			t.Errorf("%s: %+v", name, got)
		}
		for kind, level := range want.Gate.Kinds {
			if got.Kinds[kind] != level {
				t.Errorf("%s: %s is %s, want %s", name, kind, got.Kinds[kind], level)
			}
		}
		if strings.Join(got.Earned, " ") != strings.Join(want.Earned, " ") {
			t.Errorf("%s: to be earned are %v, want %v", name, got.Earned, want.Earned)
		}
	}
}

func TestAScheduleInALine(t *testing.T) {
	at := time.Now().Add(time.Hour)
	for want, s := range map[string]cluster.ScheduleState{
		"-":    {},
		"done": {Result: "done"},
		"open until " + clock(at) + ": h1 is not empty: web1": {Result: "open", Until: at, Reason: "h1 is not empty: web1"},
		"missed: the server was down":                         {Result: "missed", Reason: "the server was down"},
	} {
		if got := scheduleResult(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
