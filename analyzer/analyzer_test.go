package analyzer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func policy() Policy {
	return Policy{Interval: 30 * time.Second, Detect: detect.Policy{Threshold: 3},
		Plan: plan.Policy{Threshold: 4, MaxMoves: 8, Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, BandwidthBytesPerSecond: 1 << 30, Lifetime: 15 * time.Minute}}
}

// crowded is a cluster of three hosts of 4 cores with three VMs on the first, which want the given cores.
func crowded(at time.Time, demand ...float64) cluster.Snapshot {
	s := cluster.Snapshot{Cluster: "c", At: at}
	for _, h := range []string{"h1", "h2", "h3"} {
		s.Hosts = append(s.Hosts, cluster.Host{ID: h, State: cluster.HostUp, CPUCores: 4, MemoryBytes: 16 << 30})
	}
	for i, d := range demand {
		id := "v" + string(rune('1'+i))
		s.VMs = append(s.VMs, cluster.VM{ID: id, Host: "h1", State: cluster.VMRunning, VCPUs: 4, CPUDemandCores: d, MemoryBytes: 2 << 30, MemoryDemandBytes: 1 << 30, Movable: true})
	}
	return s
}

// film is a source that shows one snapshot after another, and the last one on and on.
type film struct {
	frames []func(time.Time) (cluster.Snapshot, error)
	at     int
}

func (f *film) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	frame := f.frames[min(f.at, len(f.frames)-1)]
	f.at++
	return frame(at)
}

func frame(demand ...float64) func(time.Time) (cluster.Snapshot, error) {
	return func(at time.Time) (cluster.Snapshot, error) { return crowded(at, demand...), nil }
}

func passes(t *testing.T, f *film, n int) (*Analyzer, [][]string) {
	t.Helper()
	a := New(f, policy(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var ids [][]string
	for i := range n {
		_ = a.Pass(context.Background(), start.Add(time.Duration(i)*30*time.Second))
		var on []string
		for _, r := range a.Recommendations() {
			on = append(on, r.ID)
		}
		ids = append(ids, on)
	}
	return a, ids
}

func same(a, b []string) bool { return strings.Join(a, ",") == strings.Join(b, ",") }

func TestAdviceStandsStillUnderNoise(t *testing.T) {
	_, ids := passes(t, &film{frames: []func(time.Time) (cluster.Snapshot, error){
		frame(1.5, 1.4, 1), frame(1.4, 1.5, 1), frame(1.5, 1.5, 1.1), frame(1.45, 1.4, 0.9)}}, 4)
	for i := range ids {
		if len(ids[i]) == 0 || !same(ids[i], ids[0]) {
			t.Errorf("pass %d advises %v, the first %v", i, ids[i], ids[0])
		}
	}
}

func TestAdviceIsMadeAnewWhenItsNumbersAreNoLongerTrue(t *testing.T) {
	_, ids := passes(t, &film{frames: []func(time.Time) (cluster.Snapshot, error){frame(1, 1, 0.8), frame(2, 1.8, 1.5)}}, 2)
	if len(ids[1]) == 0 || same(ids[0], ids[1]) {
		t.Errorf("%v, then %v", ids[0], ids[1])
	}
}

func TestOldAdviceDoesNotStandInTheWayOfWhatIsMandatory(t *testing.T) {
	emptied := func(at time.Time) (cluster.Snapshot, error) {
		s := crowded(at, 1.5, 1.4, 1)
		s.Hosts[0].State = cluster.HostMaintenance
		return s, nil
	}
	a, ids := passes(t, &film{frames: []func(time.Time) (cluster.Snapshot, error){frame(1.5, 1.4, 1), emptied, emptied}}, 3)
	if len(ids[0]) == 0 || same(ids[0], ids[1]) || !same(ids[1], ids[2]) {
		t.Fatalf("%v, then %v and %v", ids[0], ids[1], ids[2])
	}
	for _, r := range a.Recommendations() {
		if r.Policy != "evacuate" || r.Priority != 1 {
			t.Errorf("it advises %s of %s with the host in maintenance", r.Action, r.Policy)
		}
	}
}

func TestWhatIsFoundMustHold(t *testing.T) {
	f := &film{frames: []func(time.Time) (cluster.Snapshot, error){frame(0.4, 0.4, 0.4), frame(0.4, 0.4, 0.4), frame(0.4, 0.4, 0.4), frame(1.5, 1.4, 1)}}
	p := policy()
	p.HoldRounds = 3
	a := New(f, p, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var advised []int
	for i := range 4 {
		if err := a.Pass(context.Background(), start.Add(time.Duration(i)*30*time.Second)); err != nil {
			t.Fatal(err)
		}
		advised = append(advised, len(a.Recommendations()))
	}
	// The first pass looks back at two more; from the second on the hosts are uneven.
	if advised[0]+advised[1]+advised[2] > 0 || advised[3] == 0 {
		t.Errorf("advised after each pass: %v", advised)
	}
	if f.at != 6 {
		t.Errorf("%d snapshots were taken, the known ones should serve again", f.at)
	}
}

func TestAdviceIsMadeAnewWhenItExpires(t *testing.T) {
	_, ids := passes(t, &film{frames: []func(time.Time) (cluster.Snapshot, error){frame(1.5, 1.4, 1)}}, 32)
	if !same(ids[0], ids[29]) || same(ids[0], ids[30]) || len(ids[30]) == 0 {
		t.Errorf("after 14:30 %v, after 15:00 %v, at first %v", ids[29], ids[30], ids[0])
	}
}

func TestWhatIsDoneIsNoLongerAdvisedAndTheRestStands(t *testing.T) {
	var first []cluster.Recommendation
	f := &film{}
	f.frames = []func(time.Time) (cluster.Snapshot, error){frame(1.5, 1.4, 1), func(at time.Time) (cluster.Snapshot, error) {
		s := crowded(at, 1.5, 1.4, 1)
		for i := range s.VMs {
			if s.VMs[i].ID == first[0].Action.VM {
				s.VMs[i].Host = first[0].Action.To
			}
		}
		return s, nil
	}}
	a := New(f, policy(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	if err := a.Pass(context.Background(), now); err != nil {
		t.Fatal(err)
	}
	if first = a.Recommendations(); len(first) != 2 {
		t.Fatalf("advised: %+v", first)
	}
	if err := a.Pass(context.Background(), now.Add(30*time.Second)); err != nil {
		t.Fatal(err)
	}
	if rest := a.Recommendations(); len(rest) != 1 || rest[0].ID != first[1].ID {
		t.Errorf("after the first move %+v", rest)
	}
}

func TestAFailedPassKeepsTheBoardAndSaysSo(t *testing.T) {
	broken := func(time.Time) (cluster.Snapshot, error) { return cluster.Snapshot{}, errors.New("connection refused") }
	a, ids := passes(t, &film{frames: []func(time.Time) (cluster.Snapshot, error){frame(1.5, 1.4, 1), broken}}, 2)
	if !same(ids[0], ids[1]) {
		t.Errorf("%v, then %v", ids[0], ids[1])
	}
	if _, err := a.Board(); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("the board says %v", err)
	}
	if n := testutil.ToFloat64(a.metrics.passes.WithLabelValues("failure")); n != 1 {
		t.Errorf("%v failed passes are counted", n)
	}
}

func TestTheBoardStopsAdvisingWhenNothingIsWrong(t *testing.T) {
	a, ids := passes(t, &film{frames: []func(time.Time) (cluster.Snapshot, error){frame(1.5, 1.4, 1), frame(0.1, 0.1, 0.1)}}, 2)
	if len(ids[1]) != 0 {
		t.Errorf("still advised: %v", ids[1])
	}
	if board, _ := a.Board(); !strings.HasPrefix(board.Plan.StoppedBecause, "balanced") {
		t.Errorf("because %q", board.Plan.StoppedBecause)
	}
}

// A host that is needed is woken while VMs are to move, one that is not falls asleep only when none is.
func TestWhatIsToBeWokenStandsBesideThePlan(t *testing.T) {
	asleep := func(at time.Time) (cluster.Snapshot, error) {
		s := crowded(at, 3.5, 3.5, 3.5)
		for i := range s.VMs {
			s.VMs[i].CPUBusyCores, s.VMs[i].CPUCalmCores = cluster.Known(3.5), cluster.Known(3.5)
		}
		s.Hosts[2].State, s.Hosts[2].Woken = cluster.HostStandby, &cluster.WakeProof{Host: "h3", At: at, Woke: true}
		return s, nil
	}
	a, p := New(&film{frames: []func(time.Time) (cluster.Snapshot, error){asleep}}, policy(), slog.New(slog.DiscardHandler), prometheus.NewRegistry()), policy()
	p.Plan.Power = plan.Power{Advise: true, Target: 0.6, Tolerance: 0.2, MinHostsOn: 1, Horizon: time.Hour}
	a.SetPolicy(p)
	if err := a.Pass(t.Context(), time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	recs := a.Recommendations()
	if len(recs) < 2 || recs[0].Action.String() != "wake h3" || recs[1].Action.Kind != cluster.Migrate {
		t.Errorf("%+v", recs)
	}
	moves, sleep := recs[1:], []cluster.Recommendation{{Action: cluster.Action{Kind: cluster.Standby, From: "h3"}}}
	if got := withPower(moves, sleep); len(got) != len(moves) {
		t.Errorf("a host falls asleep while VMs are to move: %+v", got)
	}
	if got := withPower(nil, sleep); len(got) != 1 {
		t.Errorf("no host falls asleep: %+v", got)
	}
}

func TestARehearsalLeavesTheBoardAlone(t *testing.T) {
	a, ids := passes(t, &film{frames: []func(time.Time) (cluster.Snapshot, error){frame(1.5, 1.4, 1), frame(0.1, 0.1, 0.1)}}, 1)
	j, err := a.Rehearse(context.Background(), time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	if err != nil || len(j.Plan.Actions) != 0 {
		t.Fatalf("%v %+v", err, j.Plan)
	}
	if board, _ := a.Board(); len(board.Recommendations) != len(ids[0]) || len(ids[0]) == 0 {
		t.Errorf("the board has %+v", board.Recommendations)
	}
}

func TestRunPassesAtItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &film{frames: []func(time.Time) (cluster.Snapshot, error){frame(1.5, 1.4, 1)}}
		a := New(f, policy(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		time.Sleep(95 * time.Second)
		cancel()
		if err := <-done; err != nil || f.at != 4 {
			t.Errorf("%d passes in 95 s, %v", f.at, err)
		}
	})
}

// slowLog takes 7 s to note what is recommended, which is done while the pass judges.
type slowLog struct{ slog.Handler }

func (slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (slowLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "recommended" {
		time.Sleep(7 * time.Second)
	}
	return nil
}

func TestTheTimeOfAPassLastsUntilItsAdviceIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a := New(&film{frames: []func(time.Time) (cluster.Snapshot, error){frame(1.5, 1.4, 1)}}, policy(), slog.New(slowLog{slog.DiscardHandler}), reg)
		if err := a.Pass(context.Background(), time.Now()); err != nil || len(a.Recommendations()) == 0 {
			t.Fatalf("%v, and %d recommendations", err, len(a.Recommendations()))
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		passes, took := uint64(0), 0.
		for _, f := range families {
			if f.GetName() == "evenkeel_analyzer_pass_duration_seconds" {
				h := f.GetMetric()[0].GetHistogram()
				passes, took = h.GetSampleCount(), h.GetSampleSum()
			}
		}
		if passes != 1 || took < 7 {
			t.Errorf("%d passes of %g s, where each recommendation takes 7", passes, took)
		}
	})
}

func TestWhatIsToBeSurvivedIsPublished(t *testing.T) {
	reg := prometheus.NewRegistry()
	p := policy()
	p.Detect.Limits = p.Plan.Limits
	p.Detect.Admission = admission.Policy{HostFailures: 1, Percent: 50}
	a := New(&film{frames: []func(time.Time) (cluster.Snapshot, error){func(at time.Time) (cluster.Snapshot, error) {
		s := crowded(at, 1, 1)
		s.VMs[0].MemoryBytes, s.VMs[1].MemoryBytes, s.VMs[1].Host = 16<<30, 2<<30, "h2"
		return s, nil
	}}}, p, slog.New(slog.DiscardHandler), reg)
	if err := a.Pass(context.Background(), time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	// 16 GiB of h1 fit nowhere. The median VM has 16 GiB too, so that nothing more of that size could be started.
	want := `# HELP evenkeel_failover_cases Cases that the configuration's reserve asks for, by what came of them.
# TYPE evenkeel_failover_cases gauge
evenkeel_failover_cases{result="broken"} 1
evenkeel_failover_cases{result="ok"} 4
evenkeel_failover_cases{result="unproven"} 0
# HELP evenkeel_failover_headroom_bytes How much more memory could be started in the case, at least, in VMs of the cluster's median size; of case_kind percent what is free beyond the percentage. 0 where it would not be survived.
# TYPE evenkeel_failover_headroom_bytes gauge
evenkeel_failover_headroom_bytes{case_kind="host",subject="h1"} 0
evenkeel_failover_headroom_bytes{case_kind="host",subject="h2"} 0
evenkeel_failover_headroom_bytes{case_kind="host",subject="h3"} 0
evenkeel_failover_headroom_bytes{case_kind="percent",subject="memory"} 6.442450944e+09
# HELP evenkeel_failover_ok Whether the cluster would survive the case that the configuration's reserve asks for (1) or not, or that is not proven (0).
# TYPE evenkeel_failover_ok gauge
evenkeel_failover_ok{case_kind="host",subject="h1"} 0
evenkeel_failover_ok{case_kind="host",subject="h2"} 1
evenkeel_failover_ok{case_kind="host",subject="h3"} 1
evenkeel_failover_ok{case_kind="percent",subject="cpu"} 1
evenkeel_failover_ok{case_kind="percent",subject="memory"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_failover_ok", "evenkeel_failover_headroom_bytes", "evenkeel_failover_cases"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", err, problems)
	}
}

func TestMetricsStartAtZero(t *testing.T) {
	reg := prometheus.NewRegistry()
	New(&film{}, policy(), slog.New(slog.DiscardHandler), reg)
	findings := ""
	for _, name := range slices.Sorted(slices.Values(detect.Names())) {
		findings += fmt.Sprintf("evenkeel_findings{detector=%q,held=\"false\"} 0\nevenkeel_findings{detector=%q,held=\"true\"} 0\n", name, name)
	}
	want := `# HELP evenkeel_analyzer_last_pass_timestamp_seconds When the last successful pass looked at the cluster; 0 before the first.
# TYPE evenkeel_analyzer_last_pass_timestamp_seconds gauge
evenkeel_analyzer_last_pass_timestamp_seconds 0
# HELP evenkeel_analyzer_passes_total Passes over the cluster, by result.
# TYPE evenkeel_analyzer_passes_total counter
evenkeel_analyzer_passes_total{result="failure"} 0
evenkeel_analyzer_passes_total{result="success"} 0
# HELP evenkeel_findings Findings on the board, by detector, and whether they have held for long enough to act upon.
# TYPE evenkeel_findings gauge
` + findings
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_analyzer_last_pass_timestamp_seconds", "evenkeel_analyzer_passes_total", "evenkeel_findings"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", err, problems)
	}
}

// kept is a memory.
type kept struct{ advice []cluster.Recommendation }

func (k *kept) Load() ([]cluster.Recommendation, error) { return k.advice, nil }

func (k *kept) Save(advice []cluster.Recommendation) error {
	k.advice = advice
	return nil
}

// Advice stands also when another analyzer goes on, whose numbers differ a little.
func TestAdviceStandsBeyondARestart(t *testing.T) {
	m := &kept{}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var first []cluster.Recommendation
	for i, level := range []float64{1.5, 1.47} {
		a := New(&film{frames: []func(time.Time) (cluster.Snapshot, error){frame(level, 1.4, 1)}}, policy(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err := a.Remember(m); err != nil {
			t.Fatal(err)
		}
		if got := a.Recommendations(); len(got) != len(first) {
			t.Errorf("before the first pass %d stand, want %d", len(got), len(first))
		}
		if err := a.Pass(context.Background(), now.Add(time.Duration(i)*30*time.Second)); err != nil {
			t.Fatal(err)
		}
		got := a.Recommendations()
		if i == 0 {
			first = got
		}
		if len(got) == 0 || got[0].ID != first[0].ID {
			t.Errorf("pass %d advises %+v", i, got)
		}
	}
}

// Of a cluster in which no VM was judged there is no score: 100 would be that of one that is well.
func TestWithoutAJudgedVMThereIsNoScore(t *testing.T) {
	empty := func(at time.Time) (cluster.Snapshot, error) {
		s := crowded(at, 1)
		s.VMs = nil
		return s, nil
	}
	reg := prometheus.NewRegistry()
	a := New(&film{frames: []func(time.Time) (cluster.Snapshot, error){empty, frame(1)}}, policy(), slog.New(slog.DiscardHandler), reg)
	for _, want := range []int{0, 1} {
		if err := a.Pass(t.Context(), time.Date(2026, 11, 22, 10, 0, 30*want, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"evenkeel_cluster_score", "evenkeel_cluster_score_lost_points", "evenkeel_cluster_score_planned"} {
			if n, err := testutil.GatherAndCount(reg, name); err != nil || n > 0 != (want > 0) {
				t.Errorf("%s has %d series, %v", name, n, err)
			}
		}
	}
}
