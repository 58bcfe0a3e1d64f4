package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/planetlab"
)

// Every scenario that is handed out runs, with fewer troubles than without evenkeel.
func TestTheScenariosOfTheDocumentation(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "scenarios", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			text, err := execute(t, t.Context(), "simulate", "--scenario", f, "-o", "json")
			if err != nil {
				t.Fatal(err)
			}
			var s simulation
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				t.Fatal(err)
			}
			with, without := s.With, s.Without
			if with.MovesPerVMDayMax > 4 || with.ReturnsWithinHour > 0 || without.Migrations > 0 {
				t.Errorf("%d moves of a VM a day, %d back within the hour, %d by nobody", with.MovesPerVMDayMax, with.ReturnsWithinHour, without.Migrations)
			}
			if with.RuleViolationVMMinutes > without.RuleViolationVMMinutes {
				t.Errorf("rules were broken for %.0f VM-minutes, without evenkeel for %.0f", with.RuleViolationVMMinutes, without.RuleViolationVMMinutes)
			}
			switch noise := strings.HasPrefix(filepath.Base(f), "noise"); {
			case noise && with.Migrations > 0:
				t.Errorf("noise moved VMs %d times", with.Migrations)
			case !noise && with.Migrations == 0:
				t.Error("nothing moved")
			}
			if without.ContendedRatio > 0.01 && with.ContendedCoreSeconds > without.ContendedCoreSeconds/2 {
				t.Errorf("contention is %.0f core-seconds, without evenkeel %.0f", with.ContendedCoreSeconds, without.ContendedCoreSeconds)
			}
		})
	}
}

func TestSimulatePrintsATable(t *testing.T) {
	f := write(t, filepath.Join(t.TempDir(), "s.yml"), "duration: 1h\nhosts: [{name: h, count: 2, cores: 4, memory: 16GiB}]\nvms: [{name: a, count: 3, vcpus: 4, memory: 4GiB, place: packed, load: {constant: 0.6}}]\n")
	text, err := execute(t, t.Context(), "simulate", "--scenario", f)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 hosts, 3 VMs, seed 1", "EVENKEEL", "score, mean", "energy", "planned no more because"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
}

func TestThePolicyCounts(t *testing.T) {
	dir := t.TempDir()
	f := write(t, filepath.Join(dir, "s.yml"), "duration: 1h\nhosts: [{name: h, count: 2, cores: 4, memory: 16GiB}]\nvms: [{name: a, count: 3, vcpus: 4, memory: 4GiB, place: packed, load: {constant: 0.6}}]\n")
	p := write(t, filepath.Join(dir, "p.yml"), "hosts: [{name: h1, uri: 'test:///default'}]\nanalysis: {migration_threshold: 1}\n")
	moves := func(args ...string) int {
		text, err := execute(t, t.Context(), append([]string{"simulate", "--scenario", f, "-o", "json"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		var s simulation
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		return s.With.Migrations
	}
	if moves() == 0 || moves("--policy", p) != 0 {
		t.Error("a threshold that allows only what is mandatory made no difference")
	}
}

// day is a directory with traces of a day: some VMs that do little, and one that is busy.
func day(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 12 {
		write(t, filepath.Join(dir, fmt.Sprintf("vm%02d", i)), strings.Repeat(fmt.Sprintln(3+60*(i/11)), planetlab.Samples))
	}
	return dir
}

func TestSimulateReplaysAWorkload(t *testing.T) {
	traces := day(t)
	text, err := execute(t, t.Context(), "simulate", "--workload", "planetlab", "--traces", traces, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var r workloadRun
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.With.VMs != 12 || r.With.EnergyKWh >= r.Without.EnergyKWh || r.With.Migrations == 0 || r.With.Refused > 0 || r.Without.Migrations > 0 || r.NonPowerAwareKWh != 2410.8 {
		t.Errorf("%+v", r)
	}
	text, err = execute(t, t.Context(), "simulate", "--workload", "planetlab", "--traces", traces, "--memory", "ignore")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"800 hosts, 12 VMs, memory: ignore", "EVENKEEL", "energy", "SLATAH", "2410.80 kWh"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
}

func TestSimulateRefusesBadInput(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, filepath.Join(dir, "bad.yml"), "duration: 1h\nhosts:\n  - {name: h, cores: 0, memory: 16GiB}\n")
	policy := write(t, filepath.Join(dir, "policy.yml"), "hosts: [{name: h1, uri: 'test:///default'}]\nanalysis: {max_moves: 0}\n")
	good := filepath.Join("..", "..", "docs", "scenarios", "noise.yml")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{}, "--scenario names the file"},
		{[]string{"--scenario", filepath.Join(dir, "none.yml")}, "read scenario"},
		{[]string{"--scenario", bad}, bad + ":3: hosts[0].cores"},
		{[]string{"--scenario", good, "--policy", policy}, policy + ":2: analysis.max_moves"},
		{[]string{"--scenario", good, "-o", "xml"}, "--output"},
		{[]string{"--workload", "planetlab"}, "--traces names the traces of a day"},
		{[]string{"--workload", "google", "--traces", dir}, "--workload google is not known"},
		{[]string{"--workload", "planetlab", "--traces", dir, "--scenario", good}, "are not for --workload"},
		{[]string{"--workload", "planetlab", "--traces", dir, "--memory", "some"}, "may be enforce or ignore"},
		{[]string{"--workload", "planetlab", "--traces", dir}, bad + ":1: \"duration: 1h\" is no percentage"},
	} {
		if _, err := execute(t, t.Context(), append([]string{"simulate"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("simulate %v gives %v, want %s", c.args, err, c.want)
		}
	}
}
