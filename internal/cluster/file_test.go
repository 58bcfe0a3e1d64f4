package cluster_test

import (
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// example is the file of the design, with everything that version 1 knows of hosts and VMs.
const example = `{"version": 1, "cluster": "prod", "at": "2026-11-22T10:00:00Z",
 "hosts": [{"id": "h1", "state": "up", "cpu_cores": 32, "memory_bytes": 274877906944,
            "reserved_cpu_cores": 1, "reserved_memory_bytes": 4294967296,
            "cpu_compat": "g1", "storage": ["nfs1"], "networks": ["br0"], "failure_domain": "rackA",
            "idle_watts": 120, "peak_watts": 420, "cpu_pressure_ratio": 0.02}],
 "vms": [{"id": "4f6c", "name": "web1", "host": "h1", "state": "running",
          "vcpus": 4, "memory_bytes": 8589934592,
          "cpu_demand_cores": 2.3, "memory_demand_bytes": 6442450944, "cpu_predicted_cores": 3.1,
          "cpu_steal_ratio": 0.04, "dirty_bytes_per_second": 5242880,
          "cpu_compat": "g1", "storage": ["nfs1"], "networks": ["br0"],
          "movable": true, "automation": "manual", "restart_priority": "high", "tags": ["web"]}],
 "rules": [{"name": "db-apart", "kind": "vm-vm-anti-affinity", "strength": "must", "vms": ["4f6c", "77aa"]},
           {"name": "licensed", "kind": "vm-host-affinity", "strength": "should", "vms": ["4f6c"], "hosts": ["h1", "h2"]}]}`

func TestTheSnapshotFileOfTheDesignIsRead(t *testing.T) {
	s, err := cluster.DecodeSnapshot([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	vm := s.VMs[0]
	if !vm.Movable || *vm.Automation != cluster.LevelManual || vm.CPUPredictedCores != cluster.Known(3.1) || vm.State != cluster.VMRunning {
		t.Errorf("the VM was read as %+v", vm)
	}
	if h := s.Hosts[0]; h.IdleWatts != cluster.Known(120) || h.State != cluster.HostUp || h.FailureDomain != "rackA" {
		t.Errorf("the host was read as %+v", h)
	}
	if s.Rules[1].Strength != cluster.Should || s.Rules[0].Kind != cluster.VMVMAntiAffinity {
		t.Errorf("the rules were read as %+v", s.Rules)
	}
}

func TestUnknownNumbersAreLeftOutAndComeBackUnknown(t *testing.T) {
	s := cluster.Snapshot{At: clustertest.At(), Hosts: []cluster.Host{{ID: "h"}}, VMs: []cluster.VM{{ID: "v"}}}
	b, err := cluster.EncodeSnapshot(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"cpu_steal_ratio", "idle_watts", "movable", "automation"} {
		if strings.Contains(string(b), key) {
			t.Errorf("%s is not known and stands in the file:\n%s", key, b)
		}
	}
}

func TestLawASnapshotSurvivesItsFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Draw(t, "cluster")
		b, err := cluster.EncodeSnapshot(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := cluster.DecodeSnapshot(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestBadSnapshotFilesAreNamedByLineAndKey(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":        {`"vcpus": 4`, `"vcpu": 4`, `line 7: json: unknown field "vcpu"`},
		"wrong type":         {`"vcpus": 4`, `"vcpus": "four"`, "line 7"},
		"unknown state":      {`"state": "running"`, `"state": "walking"`, `"walking" is no vm state; use one of unknown, running`},
		"other version":      {`"version": 1`, `"version": 2`, "version: is 2"},
		"no version":         {`"version": 1, `, ``, "version: is 0"},
		"host not there":     {`"host": "h1"`, `"host": "h9"`, `vms[0] (web1).host: no host "h9"`},
		"no id":              {`"id": "4f6c"`, `"id": ""`, "vms[0] (web1).id"},
		"negative":           {`"cpu_demand_cores": 2.3`, `"cpu_demand_cores": -1`, "vms[0] (web1).cpu_demand_cores: -1"},
		"beyond all measure": {`"memory_bytes": 274877906944`, `"memory_bytes": 2748779069440000000`, "hosts[0] (h1).memory_bytes"},
		"rule without kind":  {`"kind": "vm-vm-anti-affinity", `, ``, "rules[0] (db-apart).kind"},
		"rule with hosts":    {`"vms": ["4f6c", "77aa"]`, `"vms": ["4f6c", "77aa"], "hosts": ["h1"]`, "takes no hosts"},
		"cut off":            {`"hosts": ["h1", "h2"]}]}`, `"hosts": ["h1"`, "line 13"},
		"more after the end": {`"hosts": ["h1", "h2"]}]}`, `"hosts": ["h1", "h2"]}]} {}`, "more text after the snapshot"},
		"no time":            {`"at": "2026-11-22T10:00:00Z"`, `"at": "yesterday"`, "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(example, c.old, c.new, 1)
			if text == example {
				t.Fatal("the fixture does not apply")
			}
			if _, err := cluster.DecodeSnapshot([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func FuzzDecodeSnapshot(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(`{"version":1,"at":"2026-11-22T10:00:00Z","hosts":[{"id":"a","cpu_cores":1e308}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := cluster.DecodeSnapshot(b)
		if err != nil {
			return
		}
		text, err := cluster.EncodeSnapshot(s)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := cluster.DecodeSnapshot(text); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		cluster.NewPlacement(s).Assess()
	})
}
