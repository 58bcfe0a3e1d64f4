package rehearsal

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/simulator"
)

// Report is what came of a simulation. Scores are what was measured (waiting of vCPUs and the like), one
// a pass.
type Report struct {
	ScoreMean float64 `json:"score_mean"`
	// ScoreP5 is the score that was undercut in 5 % of the passes.
	ScoreP5 float64 `json:"score_p5"`
	// ContendedCoreSeconds is what VMs wanted and did not get, what migrations cost them included;
	// ContendedRatio is its share of what they wanted.
	ContendedCoreSeconds float64 `json:"contended_core_seconds"`
	ContendedRatio       float64 `json:"contended_ratio"`
	// RunningVMMinutes is the time in which VMs ran, ContendedVMMinutes that in which they got less than 95 % of what they wanted, and
	// ContendedVMRatio its share.
	RunningVMMinutes   float64 `json:"running_vm_minutes"`
	ContendedVMMinutes float64 `json:"contended_vm_minutes"`
	ContendedVMRatio   float64 `json:"contended_vm_ratio"`
	// WaitingVMMinutes is for how long new VMs found no host with room.
	WaitingVMMinutes float64 `json:"waiting_vm_minutes"`
	// RuleViolationVMMinutes is for how long VMs broke rules, StoppedVMMinutes for how long they did not run
	// because their host had failed.
	RuleViolationVMMinutes float64 `json:"rule_violation_vm_minutes"`
	StoppedVMMinutes       float64 `json:"stopped_vm_minutes"`
	Migrations             int     `json:"migrations"`
	FailedMigrations       int     `json:"failed_migrations"`
	CopiedBytes            float64 `json:"copied_bytes"`
	MigrationsPerVMMean    float64 `json:"migrations_per_vm_mean"`
	MigrationsPerVMMax     int     `json:"migrations_per_vm_max"`
	// MovesPerVMDayMax is the most moves of one VM in any 24 hours, ReturnsWithinHour how often a VM came
	// back to a host that it had left less than an hour before.
	MovesPerVMDayMax  int     `json:"moves_per_vm_day_max"`
	ReturnsWithinHour int     `json:"returns_within_hour"`
	EnergyKWh         float64 `json:"energy_kwh"`
	// Sleeps is how often a host was put into standby, Wakes how often one was woken and was back, FailedWakes how often one was not;
	// AsleepHostHours is how long they slept.
	Sleeps          int     `json:"sleeps"`
	Wakes           int     `json:"wakes"`
	FailedWakes     int     `json:"failed_wakes"`
	AsleepHostHours float64 `json:"asleep_host_hours"`
	// Plans is how often something new was advised.
	Plans int `json:"plans"`
	// Refused counts what gates did not let through, by gate.
	Refused map[string]int `json:"refused"`
	// Stopped says why plans went no further, the most frequent first; numbers are replaced by N.
	Stopped []Reason `json:"stopped_because"`
	// VMsAtEnd is how many VMs each host has in the end.
	VMsAtEnd map[string]int `json:"vms_at_end"`
}

// Reason is a sentence and how often it was said.
type Reason struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// tally counts while a simulation runs.
type tally struct {
	scores     []float64
	violations float64
	plans      int
	refusals   map[string]int
	stopped    map[string]int
	numbers    *regexp.Regexp
	last       cluster.Snapshot
	// before is what happened before counting began.
	before simulator.Totals
}

func newTally() *tally {
	return &tally{refusals: map[string]int{}, stopped: map[string]int{}, numbers: regexp.MustCompile(`\d+(\.\d+)?`)}
}

func (t *tally) see(s cluster.Snapshot, interval time.Duration) {
	p := cluster.NewPlacement(s)
	_, lost := p.Scores()
	t.scores = append(t.scores, lost.Score())
	t.violations += float64(p.Assess().RuleViolations) * interval.Minutes()
	t.last = s
}

// judged counts a pass; before is what the one before it advised.
func (t *tally) judged(j analyzer.Judgement, before []cluster.Recommendation) {
	for _, r := range j.Recommendations {
		if !slices.ContainsFunc(before, func(old cluster.Recommendation) bool { return old.ID == r.ID }) {
			t.plans++
			break
		}
	}
	t.stopped[t.numbers.ReplaceAllString(j.Plan.StoppedBecause, "N")]++
}

func (t *tally) refused(verdicts []cluster.Verdict) {
	for _, v := range gate.Refusals(verdicts) {
		t.refusals[v.Gate]++
	}
}

// mostReasons is how many reasons a report names.
const mostReasons = 5

func (t *tally) report(c *simulator.Cluster) Report {
	total := c.Totals().Less(t.before)
	r := Report{
		RunningVMMinutes: total.RunningVMSeconds / 60, ContendedVMMinutes: total.ContendedVMSeconds / 60, WaitingVMMinutes: total.WaitingVMSeconds / 60,
		Sleeps: total.Sleeps, Wakes: total.Wakes, FailedWakes: total.FailedWakes, AsleepHostHours: total.AsleepSeconds / 3600,
		ContendedCoreSeconds: total.LostCoreSeconds, RuleViolationVMMinutes: t.violations, StoppedVMMinutes: total.StoppedVMSeconds / 60,
		Migrations: total.Migrations, FailedMigrations: total.FailedMigrations, CopiedBytes: total.CopiedBytes,
		EnergyKWh: total.Joules / 3.6e6, Plans: t.plans, Refused: t.refusals, Stopped: []Reason{}, VMsAtEnd: map[string]int{},
	}
	if total.WantedCoreSeconds > 0 {
		r.ContendedRatio = total.LostCoreSeconds / total.WantedCoreSeconds
	}
	if total.RunningVMSeconds > 0 {
		r.ContendedVMRatio = total.ContendedVMSeconds / total.RunningVMSeconds
	}
	r.ScoreMean, r.ScoreP5 = summary(t.scores)
	for _, moves := range c.Moves() {
		r.MigrationsPerVMMax = max(r.MigrationsPerVMMax, len(moves))
		r.MigrationsPerVMMean += float64(len(moves)) / float64(len(c.Moves()))
		most, returns := steadiness(moves)
		r.MovesPerVMDayMax = max(r.MovesPerVMDayMax, most)
		r.ReturnsWithinHour += returns
	}
	for _, reason := range slices.Sorted(maps.Keys(t.stopped)) {
		r.Stopped = append(r.Stopped, Reason{reason, t.stopped[reason]})
	}
	slices.SortStableFunc(r.Stopped, func(a, b Reason) int { return cmp.Compare(b.Count, a.Count) })
	r.Stopped = r.Stopped[:min(mostReasons, len(r.Stopped))]
	for _, v := range t.last.VMs {
		r.VMsAtEnd[v.Host]++
	}
	return r
}

func summary(scores []float64) (mean, p5 float64) {
	if len(scores) == 0 {
		return 0, 0
	}
	sum := 0.0
	for _, s := range scores {
		sum += s
	}
	slices.Sort(scores)
	return sum / float64(len(scores)), scores[len(scores)*5/100]
}

// steadiness is the most of a VM's moves in any 24 hours, and how often it came back within an hour.
func steadiness(moves []simulator.Move) (most, returns int) {
	first := 0
	for i, m := range moves {
		for m.At.Sub(moves[first].At) >= 24*time.Hour {
			first++
		}
		most = max(most, i-first+1)
		for _, before := range moves[:i] {
			if before.From == m.To && m.At.Sub(before.At) < time.Hour {
				returns++
				break
			}
		}
	}
	return most, returns
}
