// Package laws breaks the laws on purpose: each planted fault is put over the source with go test's
// -overlay and must make a test fail. A law that no fault can break proves nothing.
package laws

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type fault struct {
	name, file, old, new string
	// test is the package whose tests must notice.
	test string
}

func faults() []fault {
	return []fault{
		// Capacity, reachability and rules hold after every step.
		{"memory is not looked at", "internal/cluster/placement.go", "float64(want) > have", "false && float64(want) > have", "./analyzer/plan"},
		{"CPU is not looked at", "internal/cluster/placement.go", "host.CPUCores*l.MaxCPUUtilisation; want > have", "host.CPUCores*l.MaxCPUUtilisation; want > 9*have", "./analyzer/plan"},
		{"storage is not looked at", "internal/cluster/placement.go", "!contains(h.Storage, s)", "false", "./analyzer/plan"},
		{"networks are not looked at", "internal/cluster/placement.go", "!contains(h.Networks, n)", "false", "./analyzer/plan"},
		{"the CPU group is not looked at", "internal/cluster/placement.go", `v.CPUCompat != "" && v.CPUCompat != h.CPUCompat`, "false", "./analyzer/plan"},
		{"must rules give way", "internal/cluster/rules.go", "more > 0 && r.Strength == Must", "false", "./analyzer/plan"},
		{"constraints are checked against the start", "analyzer/plan/balance.go", `if b.place.Illegal(v.ID, h.ID, b.policy.Limits) != ""`, `if b.start.Illegal(v.ID, h.ID, b.policy.Limits) != ""`, "./analyzer/plan"},
		{"steps never depend on others", "analyzer/plan/balance.go", "len(earlier) == 0 || first", "true || first", "./analyzer/plan"},
		// A plan never worsens the score; each step earns its cost; planning again is silence.
		{"the worst move is taken", "analyzer/plan/balance.go", "if gain > best {", "if gain < best {", "./analyzer/plan"},
		{"moves cost nothing", "analyzer/plan/balance.go", "- pointsPerMinute*took/60", "+ pointsPerMinute*took/6", "./analyzer/plan"},
		{"it stops too early", "analyzer/plan/balance.go", "sources := b.sources(before)", "sources := b.sources(b.start.Assess()); for id := range sources { sources[id] = sources[id] && b.start.Load(id).CPUUtilisation > 0.7 }", "./analyzer/plan"},
		{"the threshold is not asked", "analyzer/plan/balance.go", "return i + 2, i+2 <= b.policy.Threshold", "return i + 2, true", "./analyzer/plan"},
		{"the cap is not asked", "analyzer/plan/balance.go", "len(out.Actions) < p.MaxMoves", "len(out.Actions) < 10*p.MaxMoves", "./analyzer/plan"},
		// Old, gapped or contradictory data lead to no action.
		{"gaps of hosts are overlooked", "internal/cluster/placement.go", `h.State == HostUp && gaps[HostSubject(h.ID)] == ""`, "h.State == HostUp", "./analyzer/plan"},
		{"gaps of VMs are overlooked", "internal/cluster/placement.go", `case gap != "":`, "case false:", "./analyzer/plan"},
		{"a blind observer plans", "analyzer/plan/balance.go", "blind > maxBlindShare", "blind > 2", "./analyzer/plan"},
		{"unknown is up", "internal/cluster/placement.go", "h.State == HostUp &&", "(h.State == HostUp || h.State == HostUnknown) &&", "./internal/cluster"},
		// The same snapshot and policy give the same plan.
		{"the plan follows map order", "analyzer/plan/balance.go", "if gain > best {", "if gain > 0 && (vm.ID == \"\" || len(map[int]bool{1: true, 2: true}) == func() int { for k := range map[int]bool{1: true, 2: true} { return k }; return 0 }()) {", "./analyzer/plan"},
		// Gates.
		{"one gate is enough", "actuator/gate/gate.go", "len(verdicts) > 0 && len(Refusals(verdicts)) == 0", "len(verdicts) > len(Refusals(verdicts))", "./actuator/gate"},
		{"no gate lets everything through", "actuator/gate/gate.go", "len(verdicts) > 0 &&", "", "./actuator/gate"},
		{"expiry is inclusive", "actuator/gate/expiry.go", "!q.Now.Before(q.Rec.Expires)", "q.Now.After(q.Rec.Expires)", "./actuator/gate"},
		{"age is not asked", "actuator/gate/freshness.go", "age < 0 || age > q.Policy.MaxDataAge", "age < 0", "./actuator/gate"},
		{"the target's silence is consent", "actuator/gate/world.go", "answered := q.Sighting.On(a.To); !answered", "answered := q.Sighting.On(a.To); !answered && false", "./actuator/gate"},
		{"a job does not matter", "actuator/gate/world.go", "if job {", "if job && false {", "./actuator/gate"},
		{"level full beats the VM's own", "actuator/gate/level.go", "level = min(level, *vm.Automation)", "level = max(level, *vm.Automation)", "./actuator/gate"},
		{"failures are forgotten at once", "actuator/gate/failures.go", "q.Now.Before(until)", "false", "./actuator/gate"},
		// No journal, no act; a restart repeats nothing and forgets nothing; a time-out proves nothing.
		{"it acts without a journal", "actuator/act.go", `log.Error("not done: no journal, no act", "err", err)
		return`, `log.Error("not done: no journal, no act", "err", err)`, "./actuator"},
		{"the intent is written afterwards", "actuator/act.go", "Kind: cluster.EntryIntent, Approval", "Kind: cluster.EntryApproved, Approval", "./actuator"},
		{"a restart begins again", "internal/cluster/case.go", "case EntryIntent:\n\t\tc.State = CaseRunning", "case EntryIntent:\n\t\tc.State = CaseApproved", "./actuator"},
		{"a restart forgets", "actuator/actuator.go", "return c.State == cluster.CaseRunning }) {", "return false && c.State == cluster.CaseRunning }) {", "./actuator"},
		{"silence is success", "actuator/interpret.go", "runsTo && fromAnswered && !from.Active()", "runsTo", "./actuator"},
		{"a job under way is over", "actuator/interpret.go", "case runsFrom && fromJob:", "case false:", "./actuator"},
		{"two places are one", "actuator/interpret.go", "case runsFrom && runsTo:", "case false:", "./actuator"},
		{"decided twice", "actuator/actuator.go", "if !slices.Contains(in, c.State) {", "if false {", "./actuator"},
		{"a no does not beat what is about to happen", "actuator/act.go", "Approval: c.Approval, Verdicts: verdicts}, c.State)", "Approval: c.Approval, Verdicts: verdicts}, cluster.CaseOpen, cluster.CaseApproved, cluster.CaseRejected)", "./actuator"},
		{"a no is forgotten with its ID", "actuator/gate/rejection.go", "q.Now.Before(until)", "false", "./actuator"},
		{"a move that no longer helps is made", "actuator/gate/world.go", "after < now {", "false && after < now {", "./actuator"},
		{"unknown actions take no room", "actuator/act.go", "c.State == cluster.CaseRunning || c.State == cluster.CaseUnknown:", "c.State == cluster.CaseRunning && false:", "./actuator"},
		{"it gives up on a job under way", "actuator/act.go", "!seen.settled && !seen.job && !time.Now()", "!seen.settled && !time.Now()", "./actuator"},
		{"a refused word counts after a restart", "internal/cluster/case.go", "(e.Kind != EntryRefused || e.Outcome != nil)", "true", "./actuator"},
		{"effects are measured through gaps", "actuator/measure.go", "if blurred(snap, c.Recommendation.Action) {", "if false {", "./actuator"},
		{"one disk holds up all", "actuator/actuator.go", "	if e, err = a.journal.Append(e); err != nil {", "	a.mu.Lock()\n	e, err = a.journal.Append(e)\n	a.mu.Unlock()\n	if err != nil {", "./actuator"},
		{"not asked again before acting", "actuator/act.go", "if !gate.Open(verdicts) {\n\t\tout", "if false {\n\t\tout", "./actuator"},
		{"dependencies do not wait", "actuator/act.go", "err == nil && d.State.Pending()", "err == nil && false && d.State.Pending()", "./actuator"},
		// The snapshot.
		{"use is lost across a migration", "analyzer/promql/queries.go", "`sum by (vm) (max by (vm, instance) (rate(evenkeel_vm_cpu_seconds_total[$window]))) + `", "`max by (vm) (rate(evenkeel_vm_cpu_seconds_total[$window])) + `", "./analyzer/promql"},
		{"silent hosts are forgotten", "analyzer/promql/queries.go", "last_over_time(evenkeel_vm_info[$memory])", "evenkeel_vm_info", "./analyzer/promql"},
		{"two places are certain", "analyzer/promql/build.go", "other.host == first.host || !other.state.Active()", "true", "./analyzer/promql"},
		{"a window that is half empty counts", "analyzer/promql/queries.go", "(present_over_time(evenkeel_vm_info[$half] offset $window))", "(evenkeel_vm_info)", "./analyzer/promql"},
		// One VM is one VM, also while it migrates; nothing of one scrape is left in the next; what cannot be read hides nothing else.
		{"a VM that arrives is there", "exporter/libvirt/assemble.go", "if f.arriving && !(m.home && m.id == f.id) {", "if false {", "./exporter/libvirt"},
		{"a VM that waits at its source has left", "exporter/libvirt/assemble.go", "if f.arriving && !(m.home && m.id == f.id) {", "if f.arriving {", "./exporter/libvirt"},
		{"what a VM left behind is a VM", "exporter/libvirt/assemble.go", "case f.left:", "case false:", "./exporter/libvirt"},
		{"Domain-0 is a VM", "exporter/libvirt/assemble.go", "case f.control:", "case false:", "./exporter/libvirt"},
		{"a VM that has left is told as it was", "exporter/libvirt/bulk.go", " || m.goneAt.After(m.askedAt):", ":", "./exporter/libvirt"},
		{"what passed a VM over counts for more than its answer", "exporter/libvirt/bulk.go", "ok && !(answers && f.vm.Answers != nil && !*f.vm.Answers)", "ok && (answers || !answers)", "./exporter/libvirt"},
		{"a VM that is handed over runs", "exporter/libvirt/bulk.go", "if m.handedAt.After(m.askedAt) {", "if false {", "./exporter/libvirt"},
		{"a daemon that answers nothing is told as it was", "exporter/libvirt/bulk.go", "\t\treturn nil, a.err()\n", "\t\tall = r.others(nil)\n", "./exporter/libvirt"},
		{"two hosts, two VMs", "exporter/exporter.go", "\tdedupe(readings)\n", "", "./exporter"},
		{"a page is not cleared", "exporter/page.go", "f.Metric = f.Metric[:0]", "_ = f", "./exporter"},
		{"what failed passes for nothing there", "exporter/exporter.go", `out.put(e.own.success, boolean(how.Err == "")`, `out.put(e.own.success, boolean(true)`, "./exporter"},
		{"a dead hypervisor hides its host", "exporter/exporter.go", "cmp.Or(e.local, machine.Hostname)", "machine.Hostname", "./exporter"},
		{"a level that is misspelt counts", "exporter/libvirt/settings.go", "if level.UnmarshalText([]byte(a.Value)) != nil {", "if level.UnmarshalText([]byte(a.Value)) != nil && false {", "./exporter/libvirt"},
		{"any storage is shared", "analyzer/promql/build.go", `label(p, "shared") == "true" ||`, `true ||`, "./analyzer/promql"},
	}
}

func TestEveryPlantedFaultIsNoticed(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults() {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			overlay := plant(t, root, f)
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
			defer cancel()
			args := []string{"test", "-tags=libvirt_dlopen", "-overlay=" + overlay, "-timeout=40s", f.test}
			if f.test != "./analyzer/promql" && !strings.HasPrefix(f.test, "./exporter") { // which draw nothing and do not know the flag
				args = append(args, "-rapid.nofailfile") // what a planted fault breaks is not worth keeping
			}
			cmd := exec.CommandContext(ctx, "go", args...)
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			switch {
			case err == nil:
				t.Errorf("%s: no test noticed", f.file)
			case strings.Contains(string(out), "build failed") || strings.Contains(string(out), "setup failed"):
				t.Errorf("the fault does not build: %s", out)
			}
		})
	}
}

// plant writes the broken file and the overlay that puts it over the real one.
func plant(t *testing.T, root string, f fault) string {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(f.file))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), f.old); n != 1 {
		t.Fatalf("%q stands %d times in %s: bring the fault up to date", f.old, n, f.file)
	}
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.go")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(text), f.old, f.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
