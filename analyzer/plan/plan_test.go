package plan_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
)

// update rewrites the golden files.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

// pool is a cluster of hosts of 8 cores and 32 GiB that all reach the same, named a, b, c and so on.
func pool(hosts int) cluster.Snapshot {
	s := cluster.Snapshot{Cluster: "c", At: clustertest.At(), Sources: []cluster.Source{{Number: "cpu_demand_cores", Query: "sum by (vm) (rate(cpu[5m]))"}}}
	for i := range hosts {
		s.Hosts = append(s.Hosts, cluster.Host{ID: string(rune('a' + i)), State: cluster.HostUp, CPUCores: 8, MemoryBytes: 32 << 30, FailureDomain: "rack" + string(rune('1'+i%2)), Storage: []string{"nfs"}})
	}
	return s
}

// with adds a VM of so many GiB that wants so many cores.
func with(s cluster.Snapshot, id, host string, cores float64, memory int64) cluster.Snapshot {
	s.VMs = append(slices.Clone(s.VMs), cluster.VM{ID: id, Name: "vm-" + id, Host: host, State: cluster.VMRunning, VCPUs: 4, CPUDemandCores: cores, MemoryBytes: memory << 30, MemoryDemandBytes: memory << 30,
		Movable: true, Storage: []string{"nfs"}, CPUStealRatio: cluster.Known(0)})
	s.Sort()
	return s
}

func usual(threshold int) plan.Policy {
	return plan.Policy{Threshold: threshold, MaxMoves: 8, Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, BandwidthBytesPerSecond: 1 << 30, Lifetime: 15 * time.Minute,
		Horizon: time.Hour, Stability: plan.Stability{CoolDown: 15 * time.Minute, CoolDownMax: 6 * time.Hour, MaxMovesPerDay: 4}}
}

// moves writes a plan's steps in a line each.
func moves(p plan.Plan) string {
	var lines []string
	for _, s := range p.Actions {
		lines = append(lines, fmt.Sprintf("%s %d %s %s>%s%v", s.Policy, s.Priority, s.VM, s.From, s.To, s.DependsOn))
	}
	return strings.Join(lines, "\n")
}

func TestMaintenanceEmptiesAHost(t *testing.T) {
	s := with(with(with(pool(3), "1", "a", 2, 8), "2", "a", 1, 4), "3", "b", 1, 4)
	s.Hosts[0].State = cluster.HostMaintenance
	if got, want := moves(judge(s, usual(1))), "evacuate 1 1 a>c[]\nevacuate 1 2 a>b[]"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Where CPU is short everywhere a host is emptied all the same; where memory is, the VM stays and the plan
// says what keeps it from each host.
func TestMaintenanceMayRunCPUShortButNeverMemory(t *testing.T) {
	s := with(with(with(with(pool(2), "1", "a", 3, 8), "2", "b", 5, 4), "3", "b", 1, 1), "4", "a", 0, 26)
	s.Hosts[0].State = cluster.HostMaintenance
	p := judge(s, usual(1))
	if got := moves(p); got != "evacuate 1 1 a>b[]" || !strings.Contains(p.Actions[0].Reason, "give way to what is mandatory") {
		t.Errorf("got %s: %+v", got, p.Actions)
	}
	if len(p.Refused) != 1 || p.Refused[0].Subject != "vm/4" || !strings.Contains(p.Refused[0].Reason, "memory on 1 (b would have promised") {
		t.Errorf("refused: %+v", p.Refused)
	}
}

// The VM fits nowhere before another one has stepped aside.
func TestRoomIsMadeForAVMThatFitsNowhere(t *testing.T) {
	s := with(with(with(pool(3), "big", "a", 1, 20), "b1", "b", 1, 14), "c1", "c", 1, 14)
	s.Hosts[0].State = cluster.HostMaintenance
	p := judge(s, usual(1))
	if got, want := moves(p), "evacuate 1 b1 b>c[]\nevacuate 1 big a>b[1]"; got != want {
		t.Errorf("got\n%s\nwant\n%s\n%+v", got, want, p.Refused)
	}
}

func TestRulesAreRepairedMustBeforeShould(t *testing.T) {
	s := with(with(with(pool(3), "1", "a", 1, 4), "2", "a", 1, 4), "3", "b", 1, 4)
	s.Rules = []cluster.Rule{
		{Name: "apart", Kind: cluster.VMVMAntiAffinity, VMNames: []string{"vm-[12]"}},
		{Name: "near", Kind: cluster.VMHostAffinity, Strength: cluster.Should, VMs: []string{"3"}, Hosts: []string{"c"}},
	}
	for threshold, want := range map[int]string{1: "rules 1 1 a>c[]", 3: "rules 1 1 a>c[]\nrules 2 3 b>c[]"} {
		if got := moves(judge(s, usual(threshold))); got != want {
			t.Errorf("threshold %d: got\n%s\nwant\n%s", threshold, got, want)
		}
	}
}

// Two VMs must change places and no host has room for both: one of them steps aside to a third.
func TestACycleIsBrokenByAThirdHost(t *testing.T) {
	s := with(with(with(pool(3), "1", "a", 1, 20), "2", "b", 1, 20), "3", "c", 1, 8)
	s.Rules = []cluster.Rule{
		{Name: "one", Kind: cluster.VMHostAffinity, VMs: []string{"1"}, Hosts: []string{"b"}},
		{Name: "two", Kind: cluster.VMHostAffinity, VMs: []string{"2"}, Hosts: []string{"a"}},
	}
	p := judge(s, usual(1))
	if p.After.RuleViolations >= p.Before.RuleViolations || len(p.Actions) < 2 || p.Actions[0].To != "c" {
		t.Errorf("from %d to %d violations by\n%s\n%s", p.Before.RuleViolations, p.After.RuleViolations, moves(p), p.StoppedBecause)
	}
}

// Three VMs that must be together, one of which must be on c, gather there and not where one of the others is.
func TestWhatMustBeTogetherGathersWhereAllMayBe(t *testing.T) {
	s := with(with(with(pool(4), "1", "a", 1, 4), "2", "b", 1, 4), "3", "d", 1, 4)
	s.Rules = []cluster.Rule{
		{Name: "together", Kind: cluster.VMVMAffinity, VMs: []string{"1", "2", "3"}},
		{Name: "there", Kind: cluster.VMHostAffinity, VMs: []string{"1"}, Hosts: []string{"c"}},
	}
	p := judge(s, usual(1))
	if p.After.RuleViolations != 0 || len(p.Actions) != 3 {
		t.Errorf("%d violations are left by\n%s\n%s", p.After.RuleViolations, moves(p), p.StoppedBecause)
	}
}

// A VM that has moved as often as it may in a day stays, however long ago the last time was, unless it must go.
func TestAVMMovesOnlySoOftenADay(t *testing.T) {
	s := with(with(pool(2), "1", "a", 3, 4), "2", "a", 3, 4)
	for i := range s.VMs {
		s.VMs[i].MovedAt, s.VMs[i].MovesLastDay = s.At.Add(-20*time.Hour), 3
	}
	if p := judge(s, usual(3)); len(p.Actions) != 1 {
		t.Errorf("after three moves: %s, refused %+v", moves(p), p.Refused)
	}
	for i := range s.VMs {
		s.VMs[i].MovesLastDay = 4
	}
	if p := judge(s, usual(3)); len(p.Actions) != 0 || len(p.Refused) != 2 || !strings.Contains(p.Refused[0].Reason, "moved 4 times in the last 24 hours; 4 is the most") {
		t.Errorf("after four moves: %s, refused %+v", moves(p), p.Refused)
	}
	s.Hosts[0].State = cluster.HostMaintenance
	if p := judge(s, usual(3)); len(p.Actions) != 2 {
		t.Errorf("in maintenance: %s, refused %+v", moves(p), p.Refused)
	}
}

func TestAnUnhealthyHostIsEmptiedAndTakesNothing(t *testing.T) {
	s := with(with(with(pool(3), "1", "a", 2, 4), "2", "b", 4, 4), "3", "b", 3, 4)
	s.Hosts[0].Faults = []cluster.Fault{{Kind: cluster.FaultMultipath, Detail: "mpatha", Value: 1, Limit: cluster.Known(0)}}
	p := judge(s, usual(3))
	if got := moves(p); !strings.HasPrefix(got, "quarantine 2 1 a>c[]") || strings.Contains(got, ">a") {
		t.Errorf("got %s", got)
	}
	s.Hosts[0].Faults[0].Kind = cluster.FaultPoolFull // which is for a person to look after
	if got := moves(judge(s, usual(3))); strings.Contains(got, "quarantine") {
		t.Errorf("got %s", got)
	}
}

// The bandwidth that past migrations reached counts rather than what is allowed.
func TestMigrationTimesAreLearnt(t *testing.T) {
	s := with(with(with(pool(2), "1", "a", 4, 8), "2", "a", 3, 8), "3", "a", 0.2, 4)
	slow := judge(s, usual(4)).Actions
	for i := range s.VMs {
		s.VMs[i].LastMigration = &cluster.MigrationCost{Seconds: 80, TransferredBytes: 8 << 30, DowntimeSeconds: 0.7}
	}
	learnt := judge(s, usual(4)).Actions
	if len(slow) == 0 || len(learnt) == 0 || slow[0].PredictedSeconds > 10 || learnt[0].PredictedSeconds < 70 || learnt[0].PredictedDowntimeSeconds != 0.7 {
		t.Errorf("before %+v, after %+v", slow, learnt)
	}
}

func TestAPlaceIsFoundForANewVM(t *testing.T) {
	s := with(with(with(pool(3), "1", "a", 2, 8), "2", "b", 3, 8), "3", "c", 0.5, 24)
	s.Rules = []cluster.Rule{{Name: "apart", Kind: cluster.VMVMAntiAffinity, VMs: []string{"1", "new"}}}
	p := plan.Place(s, nil, usual(3), cluster.VM{ID: "new", VCPUs: 4, MemoryBytes: 8 << 30, Storage: []string{"nfs"}})
	if p.Host != "b" || !strings.Contains(p.Reason, "most room") {
		t.Errorf("%+v", p)
	}
	killers := map[string]string{}
	for _, c := range p.Candidates {
		killers[c.Host] = c.Constraint
	}
	if killers["a"] != "rule" || killers["c"] != "memory" {
		t.Errorf("candidates %+v", p.Candidates)
	}
	if p := plan.Place(s, nil, usual(3), cluster.VM{ID: "new", VCPUs: 4, MemoryBytes: 8 << 30, Storage: []string{"rbd"}}); p.Host != "" || !strings.Contains(p.Reason, "storage on 3") {
		t.Errorf("%+v", p)
	}
}

// A host that could take the VM itself is none where its failure, or another's, would not be survived any more.
func TestAPlaceLeavesRoomForFailures(t *testing.T) {
	s := with(with(pool(3), "1", "a", 1, 16), "2", "b", 1, 16)
	vm := cluster.VM{ID: "new", VCPUs: 2, MemoryBytes: 20 << 30, Storage: []string{"nfs"}}
	p := usual(3)
	if got := plan.Place(s, nil, p, vm); got.Host != "c" {
		t.Fatalf("the test's cluster is not what it should be: %+v", got)
	}
	// What c would have can be started nowhere else.
	p.Admission = admission.Policy{HostFailures: 1}
	got := plan.Place(s, nil, p, vm)
	at := slices.IndexFunc(got.Candidates, func(c cluster.Candidate) bool { return c.Constraint == "admission" })
	if got.Host != "" || at < 0 || got.Candidates[at].Host != "c" || !strings.Contains(got.Reason, "admission on 1") || !strings.Contains(got.Reason, "with it on c the cluster would not survive the failure of") {
		t.Errorf("%+v", got)
	}
	p.IgnoreAdmission = true
	if got := plan.Place(s, nil, p, vm); got.Host != "c" {
		t.Errorf("by force: %+v", got)
	}
	p.IgnoreAdmission = false
	vm.MemoryBytes = 4 << 30
	if got := plan.Place(s, nil, p, vm); got.Host == "" {
		t.Errorf("a small one: %+v", got)
	}
}

func TestSpareHostsAreKeptEmptyUntilAHostFails(t *testing.T) {
	s := with(with(with(pool(3), "1", "a", 3.9, 8), "2", "a", 3.9, 8), "3", "b", 2, 8)
	p := usual(5)
	vm := cluster.VM{ID: "new", VCPUs: 1, MemoryBytes: 1 << 30}
	if made, got := judge(s, p), plan.Place(s, nil, p, vm); got.Host != "c" || !slices.ContainsFunc(made.Actions, func(s plan.Step) bool { return s.To == "c" }) {
		t.Fatalf("c is not wanted, and the test shows nothing: %+v %+v", made.Actions, got)
	}
	p.Admission = admission.Policy{SpareHosts: []string{"c"}}
	for _, step := range judge(s, p).Actions {
		if step.To == "c" {
			t.Errorf("%+v", step)
		}
	}
	for _, p.IgnoreAdmission = range []bool{false, true} {
		got := plan.Place(s, nil, p, vm)
		if got.Host == "c" || !slices.ContainsFunc(got.Candidates, func(c cluster.Candidate) bool { return c.Host == "c" && c.Constraint == "spare" }) {
			t.Errorf("%+v", got)
		}
	}
	failed, start, err := plan.Change{FailHosts: []string{"a", "b"}}.Apply(s)
	if err != nil {
		t.Fatal(err)
	}
	if made := plan.Make(failed, nil, p, start...); len(made.Actions) != 3 || made.Actions[0].To != "c" {
		t.Errorf("%+v", made.Actions)
	}
}

func TestVMsThatAreNotToBeRestartedStayDown(t *testing.T) {
	s := with(with(pool(2), "1", "a", 1, 8), "2", "a", 1, 8)
	s.VMs[1].RestartPriority = "disabled"
	failed, start, err := plan.Change{FailHosts: []string{"a"}}.Apply(s)
	if err != nil || !slices.Equal(start, []string{"1"}) || failed.VMs[1].State != cluster.VMShutoff {
		t.Errorf("%v %v %+v", err, start, failed.VMs)
	}
}

func TestWhatIfHostsFailOrCome(t *testing.T) {
	s := with(with(with(pool(4), "1", "a", 2, 8), "2", "c", 2, 24), "3", "b", 1, 4)
	s.VMs[1].RestartPriority = "high"
	changed, start, err := plan.Change{FailDomains: []string{"rack1"}}.Apply(s)
	if err != nil || strings.Join(start, ",") != "2,1" {
		t.Fatalf("to be started: %v, %v", start, err)
	}
	p := plan.Make(changed, nil, usual(1), start...)
	if got := moves(p); got != "start 1 2 >d[]\nstart 1 1 >b[]" {
		t.Errorf("got\n%s", got)
	}
	changed, start, err = plan.Change{FailHosts: []string{"a", "b", "d"}}.Apply(s)
	if err != nil {
		t.Fatal(err)
	}
	if p := plan.Make(changed, nil, usual(1), start...); len(p.Refused) != 1 || p.Refused[0].Subject != "vm/1" {
		t.Errorf("%s, refused %+v: vm 3 and 4 GiB fit beside 24, 8 more do not", moves(p), p.Refused)
	}
	for _, c := range []plan.Change{{RemoveHosts: []string{"z"}}, {FailDomains: []string{"rack9"}}, {AddHosts: []cluster.Host{{ID: "a"}}}, {AddVMs: []cluster.VM{{ID: "1"}}}} {
		if _, _, err := c.Apply(s); err == nil {
			t.Errorf("%+v is not refused", c)
		}
	}
}

// explained are the questions whose answers stand in golden files.
func explained() map[string]struct {
	key   string
	spoil func(*cluster.Snapshot, *plan.Policy)
} {
	nothing := func(*cluster.Snapshot, *plan.Policy) {}
	return map[string]struct {
		key   string
		spoil func(*cluster.Snapshot, *plan.Policy)
	}{
		"moved":     {"vm-1", nothing},
		"host":      {"a", nothing},
		"calm-host": {"vm-4", nothing},
		"cooling": {"vm-2", func(s *cluster.Snapshot, _ *plan.Policy) {
			s.VMs[1].MovedAt, s.VMs[1].MovesLastDay = s.At.Add(-10*time.Minute), 2
		}},
		"unmovable": {"vm-3", func(s *cluster.Snapshot, _ *plan.Policy) {
			s.VMs[2].Movable, s.VMs[2].ImmovableReason = false, "PCI device 0000:01:00.0 is passed through"
		}},
		"nowhere-else": {"vm-3", func(s *cluster.Snapshot, _ *plan.Policy) { s.VMs[2].Storage = []string{"local"} }},
		"balanced": {"vm-1", func(s *cluster.Snapshot, _ *plan.Policy) {
			s.VMs[0].CPUDemandCores, s.VMs[1].CPUDemandCores, s.VMs[2].CPUDemandCores = 0.5, 0.5, 0.5
		}},
		"threshold": {"vm-1", func(_ *cluster.Snapshot, p *plan.Policy) { p.Threshold = 1 }},
		"writing":   {"vm-1", func(s *cluster.Snapshot, _ *plan.Policy) { s.VMs[0].DirtyBytesPerSecond = cluster.Known(2 << 30) }},
	}
}

func TestExplanationsReadAsTheyShould(t *testing.T) {
	for name, c := range explained() {
		t.Run(name, func(t *testing.T) {
			s, p := with(with(with(with(pool(3), "1", "a", 3, 8), "2", "a", 2, 8), "3", "a", 2, 8), "4", "b", 1, 4), usual(4)
			c.spoil(&s, &p)
			findings := detect.Findings(s, detect.Default(p.Threshold, p.Limits))
			e, err := plan.Explain(s, findings, p, plan.Make(s, findings, p), c.key)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "explain", name+".txt"), draw(e))
		})
	}
}

// draw writes an explanation for people to judge it by.
func draw(e plan.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n%s\n", e.Name, e.Subject, e.Verdict)
	for _, r := range e.Reasons {
		fmt.Fprintf(&b, "- %s\n", r)
	}
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "found %s: %s\n", f.Detector, f.Reason)
	}
	for _, c := range e.Candidates {
		fmt.Fprintf(&b, "%s %s (%d more): %s\n", c.Host, c.Constraint, c.Others, c.Reason)
	}
	for _, v := range e.Evidence {
		fmt.Fprintf(&b, "%s = %.3g %s  %s\n", v.Name, v.Value, v.Unit, v.Query)
	}
	return b.String()
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if update() {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestExplainSaysWhatItDoesNotKnow(t *testing.T) {
	s := with(with(pool(1), "1", "a", 1, 4), "2", "a", 1, 4)
	s.VMs[1].Name = "vm-1"
	for key, want := range map[string]string{"nobody": "no host and no VM", "vm-1": "2 VMs are called"} {
		if _, err := plan.Explain(s, nil, usual(3), plan.Plan{}, key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestNothingIsMovedToOrFromAHostThatIsOff(t *testing.T) {
	crowded := pool(3)
	for i := range 4 {
		crowded = with(crowded, fmt.Sprint(i), "a", 2, 4)
	}
	if moves(judge(crowded, usual(5))) == "" {
		t.Fatal("nothing is moved while all hosts may be touched")
	}
	off := cluster.LevelOff
	for h, host := range crowded.Hosts {
		s := crowded
		s.Hosts = slices.Clone(s.Hosts)
		s.Hosts[h].Automation = &off
		for _, step := range judge(s, usual(5)).Actions {
			if step.From == host.ID || step.To == host.ID {
				t.Errorf("%s is off: %s", host.ID, step.Reason)
			}
		}
	}
}
