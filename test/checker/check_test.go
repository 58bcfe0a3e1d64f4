package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The snapshot has one host in maintenance, one that was not seen and one (f) that others cannot reach.
// Bytes and cores are small numbers, so that all can be counted by hand.
const goodSnapshot = `{"version": 1, "cluster": "small", "at": "2026-11-22T10:00:00Z", "hosts": [
{"id": "a", "state": "up", "cpu_cores": 10, "memory_bytes": 100, "reserved_cpu_cores": 1, "reserved_memory_bytes": 10, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"]},
{"id": "b", "state": "up", "cpu_cores": 10, "memory_bytes": 100, "reserved_cpu_cores": 1, "reserved_memory_bytes": 10, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"]},
{"id": "c", "state": "up", "cpu_cores": 10, "memory_bytes": 100, "reserved_cpu_cores": 1, "reserved_memory_bytes": 10, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"]},
{"id": "d", "state": "maintenance", "cpu_cores": 10, "memory_bytes": 100, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"]},
{"id": "e", "state": "up", "cpu_cores": 10, "memory_bytes": 100, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"]},
{"id": "f", "state": "up", "cpu_cores": 10, "memory_bytes": 100, "reserved_cpu_cores": 1, "reserved_memory_bytes": 10, "cpu_compat": "g2"}
], "vms": [
{"id": "v1", "host": "a", "state": "running", "memory_bytes": 40, "cpu_demand_cores": 4, "memory_demand_bytes": 30, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"], "movable": true},
{"id": "v2", "host": "a", "state": "running", "memory_bytes": 20, "cpu_demand_cores": 2, "memory_demand_bytes": 20, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"], "movable": true},
{"id": "v3", "host": "b", "state": "running", "memory_bytes": 20, "cpu_demand_cores": 1, "memory_demand_bytes": 10, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"], "movable": true},
{"id": "v4", "host": "b", "state": "running", "memory_bytes": 30, "cpu_demand_cores": 1, "memory_demand_bytes": 20, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"], "movable": true},
{"id": "v5", "host": "c", "state": "running", "memory_bytes": 40, "cpu_demand_cores": 1, "memory_demand_bytes": 40, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"], "movable": true},
{"id": "v6", "host": "a", "state": "shutoff", "memory_bytes": 90, "cpu_demand_cores": 9, "memory_demand_bytes": 90},
{"id": "v7", "state": "shutoff", "memory_bytes": 90, "cpu_demand_cores": 9, "memory_demand_bytes": 90}
], "rules": [
{"name": "apart", "kind": "vm-vm-anti-affinity", "strength": "must", "vms": ["v1", "v5", "v7"]}
], "gaps": [{"subject": "host/e", "reason": "not seen"}]}`

// The second step is legal after the first only, the third at any time.
const goodPlan = `{"before": {"cpu_utilisation_stddev": 0.22776083947860748, "memory_utilisation_stddev": 0.18708286933869706,
"max_cpu_utilisation": 0.7, "max_memory_utilisation": 0.6, "contended_cpu_cores": 0, "rule_violations": 0},
"after": {"cpu_utilisation_stddev": 0.14790199457749043, "memory_utilisation_stddev": 0.21213203435596426,
"max_cpu_utilisation": 0.5, "max_memory_utilisation": 0.7, "contended_cpu_cores": 0, "rule_violations": 0},
"actions": [
{"seq": 1, "kind": "migrate", "vm": "v4", "from": "b", "to": "c"},
{"seq": 2, "kind": "migrate", "vm": "v1", "from": "a", "to": "b", "depends_on": [1]},
{"seq": 3, "kind": "migrate", "vm": "v3", "from": "b", "to": "a"}
]}`

func faultsOf(t *testing.T, snap, pl string) []string {
	t.Helper()
	var s snapshot
	var p plan
	if err := json.Unmarshal([]byte(snap), &s); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(pl), &p); err != nil {
		t.Fatal(err)
	}
	faults, err := check(s, p, limits{memory: 0.95, cpu: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func TestNothingIsWrongWithAGoodPlan(t *testing.T) {
	if faults := faultsOf(t, goodSnapshot, goodPlan); len(faults) > 0 {
		t.Errorf("faults were found:\n%s", strings.Join(faults, "\n"))
	}
}

func TestEachFaultIsFound(t *testing.T) {
	const (
		first  = `"vm": "v4", "from": "b", "to": "c"`
		v4     = `"id": "v4", "host": "b", "state": "running"`
		v4ends = `"memory_demand_bytes": 20, "cpu_compat": "g1", "storage": ["s"], "networks": ["n"], "movable": true},
{"id": "v5"`
		cFull  = `"id": "c", "state": "up", "cpu_cores": 10, "memory_bytes": 100`
		apart  = `{"name": "apart"`
		noGaps = `"gaps": [`
	)
	for name, c := range map[string]struct{ snapOld, snapNew, planOld, planNew, want string }{
		"starts elsewhere":       {"", "", first, `"vm": "v4", "from": "a", "to": "c"`, `step 1 (v4 from a to c): the VM is on "b" by then`},
		"leads nowhere":          {"", "", first, `"vm": "v4", "from": "b", "to": "b"`, "it leads to where it starts"},
		"no such VM":             {"", "", first, `"vm": "v9", "from": "b", "to": "c"`, "there is no such VM"},
		"no such host":           {"", "", first, `"vm": "v4", "from": "b", "to": "z"`, "there is no host z"},
		"seq":                    {"", "", `"seq": 1`, `"seq": 7`, "its seq is 7"},
		"kind":                   {"", "", `"seq": 1, "kind": "migrate"`, `"seq": 1, "kind": "reboot"`, `it is of kind "reboot"`},
		"target in maintenance":  {"", "", first, `"vm": "v4", "from": "b", "to": "d"`, `host d is "maintenance", not up`},
		"target not seen":        {"", "", first, `"vm": "v4", "from": "b", "to": "e"`, "host e could not be seen"},
		"source not seen":        {noGaps, noGaps + `{"subject": "host/b"}, `, "", "", "host b could not be seen"},
		"VM not seen":            {noGaps, noGaps + `{"subject": "vm/v4"}, `, "", "", "the VM could not be seen"},
		"not running":            {v4, strings.Replace(v4, "running", "paused", 1), "", "", `the VM is "paused", not running`},
		"state not known":        {v4, strings.Replace(v4, `, "state": "running"`, "", 1), "", "", `the VM is "", not running`},
		"not movable":            {v4ends, strings.Replace(v4ends, "true", "false", 1), "", "", "the VM is not movable"},
		"being migrated":         {v4, v4 + `, "migrating_to": "c"`, "", "", "already being migrated to c"},
		"CPU group":              {cFull + `, "reserved_cpu_cores": 1, "reserved_memory_bytes": 10, "cpu_compat": "g1"`, cFull + `, "reserved_cpu_cores": 1, "reserved_memory_bytes": 10, "cpu_compat": "g2"`, "", "", `needs CPUs of group "g1" and c has "g2"`},
		"storage":                {v4ends, strings.Replace(v4ends, `["s"]`, `["s", "s2"]`, 1), "", "", "c does not reach storage [s s2]"},
		"networks":               {v4ends, strings.Replace(v4ends, `["n"]`, `["n2"]`, 1), "", "", "c does not reach networks [n2]"},
		"memory":                 {`"id": "v5", "host": "c", "state": "running", "memory_bytes": 40`, `"id": "v5", "host": "c", "state": "running", "memory_bytes": 56`, "", "", "c would have 0.00 GiB of memory promised"},
		"CPU":                    {`"memory_bytes": 40, "cpu_demand_cores": 1`, `"memory_bytes": 40, "cpu_demand_cores": 7.1`, "", "", "c would have 9.100 cores in demand and may have 9.000"},
		"depends on itself":      {"", "", "[1]", "[2]", "it depends on step 2, which is not an earlier one"},
		"depends on none such":   {"", "", "[1]", "[0]", "it depends on step 0"},
		"dependency left out":    {"", "", `, "depends_on": [1]`, "", "it depends on nothing and is not legal at the start: b would have"},
		"more dependencies":      {"", "", "b\", \"depends_on\": [1]},\n{\"seq\": 3,", "b\", \"depends_on\": [1]},\n{\"seq\": 3, \"depends_on\": [2],", ""},
		"room only afterwards":   {"", "", `{"seq": 1, "kind": "migrate", "vm": "v4", "from": "b", "to": "c"},` + "\n" + `{"seq": 2, "kind": "migrate", "vm": "v1", "from": "a", "to": "b", "depends_on": [1]}`, `{"seq": 1, "kind": "migrate", "vm": "v1", "from": "a", "to": "b"},` + "\n" + `{"seq": 2, "kind": "migrate", "vm": "v4", "from": "b", "to": "c"}`, "step 1 (v1 from a to b): b would have"},
		"apart":                  {`["v1", "v5", "v7"]`, `["v4", "v5"]`, "", "", "rule apart (vm-vm-anti-affinity, must) would be broken by it: 1 VMs out of place instead of 0"},
		"together":               {apart, `{"name": "pair", "kind": "vm-vm-affinity", "vms": ["v3", "v4"]}, ` + apart, "", "", "rule pair (vm-vm-affinity, must) would be broken"},
		"only there":             {apart, `{"name": "licensed", "kind": "vm-host-affinity", "strength": "must", "vms": ["v4"], "hosts": ["a", "b"]}, ` + apart, "", "", "rule licensed (vm-host-affinity, must) would be broken"},
		"never there":            {apart, `{"name": "banned", "kind": "vm-host-anti-affinity", "strength": "must", "vms": ["v4"], "hosts": ["c"]}, ` + apart, "", "", "rule banned (vm-host-anti-affinity, must) would be broken"},
		"CPU spread before":      {"", "", "0.2277", "0.2278", "before.cpu_utilisation_stddev is 0.22786"},
		"memory spread before":   {"", "", "0.1870", "0.1871", "before.memory_utilisation_stddev is"},
		"CPU spread after":       {"", "", "0.1479", "0.1478", "after.cpu_utilisation_stddev is"},
		"memory spread after":    {"", "", "0.2121", "0.2122", "after.memory_utilisation_stddev is"},
		"fullest CPU":            {"", "", `"max_cpu_utilisation": 0.5`, `"max_cpu_utilisation": 0.4`, "after.max_cpu_utilisation is 0.4 by the plan and 0.5 by count"},
		"fullest memory":         {"", "", `"max_memory_utilisation": 0.7`, `"max_memory_utilisation": 0.6`, "after.max_memory_utilisation is"},
		"contended":              {"", "", `"max_memory_utilisation": 0.7, "contended_cpu_cores": 0`, `"max_memory_utilisation": 0.7, "contended_cpu_cores": 2`, "after.contended_cpu_cores is"},
		"violations":             {`["v1", "v5", "v7"]`, `["v1", "v2"]`, "", "", "before.rule_violations is 0 by the plan and 1 by count"},
		"a number is left out":   {"", "", `"max_cpu_utilisation": 0.7, `, "", "before.max_cpu_utilisation is missing"},
		"a step that is dropped": {"", "", `,` + "\n" + `{"seq": 3, "kind": "migrate", "vm": "v3", "from": "b", "to": "a"}`, "", "after.max_cpu_utilisation is 0.5 by the plan and 0.6 by count"},
	} {
		t.Run(name, func(t *testing.T) {
			faults := faultsOf(t, swap(t, goodSnapshot, c.snapOld, c.snapNew), swap(t, goodPlan, c.planOld, c.planNew))
			all := strings.Join(faults, "\n")
			if c.want == "" && len(faults) > 0 || !strings.Contains(all, c.want) {
				t.Errorf("want %q among the faults, got:\n%s", c.want, all)
			}
		})
	}
}

// swap replaces a piece of text that must stand there once.
func swap(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if old == "" {
		return text
	}
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("%q stands %d times in the text", old, n)
	}
	return strings.Replace(text, old, replacement, 1)
}

func TestItSharesNoCodeWithThePlanner(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v: %v", files, err)
	}
	for _, f := range files {
		if f == "random_test.go" { // which makes the plans that are checked
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"github.com/`+`evenkeel/`) {
			t.Errorf("%s imports a room of evenkeel", f)
		}
	}
}

// A rule that is broken at the start may stay so, and a should rule may be broken.
func TestRulesThatAllowAPlan(t *testing.T) {
	soft := swap(t, goodSnapshot, `"strength": "must", "vms": ["v1", "v5", "v7"]`, `"strength": "should", "vms": ["v4", "v5"]`)
	for _, f := range faultsOf(t, soft, goodPlan) {
		if !strings.HasPrefix(f, "after.rule_violations") {
			t.Error(f)
		}
	}
	broken := swap(t, goodSnapshot, `["v1", "v5", "v7"]`, `["v3", "v4"]`)
	for _, f := range faultsOf(t, broken, goodPlan) {
		if !strings.HasPrefix(f, "before.rule_violations") {
			t.Error(f)
		}
	}
}

func TestAStepIsLegalAfterWhatItDependsOnAlone(t *testing.T) {
	// The fourth step needs the room that the first and the third make, and names the third only.
	extra := `{"seq": 3, "kind": "migrate", "vm": "v3", "from": "b", "to": "a"},
{"seq": 4, "kind": "migrate", "vm": "v1", "from": "b", "to": "a", "depends_on": [3]}`
	p := swap(t, goodPlan, `{"seq": 3, "kind": "migrate", "vm": "v3", "from": "b", "to": "a"}`, extra)
	all := strings.Join(faultsOf(t, goodSnapshot, p), "\n")
	if want := `step 4 (v1 from b to a): it is not legal after the steps alone that it depends on: the VM is on "a" by then`; !strings.Contains(all, want) {
		t.Errorf("want %q, got:\n%s", want, all)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "file.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	snap, pl := write(goodSnapshot), write(goodPlan)
	if faults, err := checkFiles(snap, pl, limits{memory: 0.95, cpu: 0.9}); err != nil || len(faults) > 0 {
		t.Errorf("good files: %v, %v", faults, err)
	}
	for name, files := range map[string][2]string{
		"no snapshot":   {snap + "x", pl},
		"no plan":       {snap, pl + "x"},
		"version":       {write(strings.Replace(goodSnapshot, `"version": 1`, `"version": 2`, 1)), pl},
		"not JSON":      {snap, write("steps:")},
		"unknown place": {write(strings.Replace(goodSnapshot, `"id": "v5", "host": "c"`, `"id": "v5", "host": "z"`, 1)), pl},
	} {
		if _, err := checkFiles(files[0], files[1], limits{memory: 0.95, cpu: 0.9}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
