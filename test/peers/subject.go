package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// arena is one cluster in all formats, and what subjects made of it.
type arena struct {
	size     size
	dir      string
	snap     cluster.Snapshot
	snapshot string
	options  options
}

// newArena makes the cluster and writes its files.
func newArena(o options, s size) (*arena, error) {
	dir, err := os.MkdirTemp(o.work, "cluster")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	a := &arena{size: s, dir: dir, snap: generate(s), snapshot: filepath.Join(dir, "snapshot.json"), options: o}
	text, err := cluster.EncodeSnapshot(a.snap)
	if err != nil {
		return nil, err
	}
	err = os.WriteFile(a.snapshot, text, 0o600)
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "cluster.data"), ganetiText(a.snap), 0o600))
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "cluster.load"), ganetiLoad(a.snap), 0o600))
	if err != nil {
		return nil, fmt.Errorf("write cluster: %w", err)
	}
	return a, nil
}

// run is what a subject made of a cluster, and what that took.
type run struct {
	subject string
	moves   []move
	states  []balance
	usage   usage
	// note is what the reader should know beside the numbers.
	note string
}

func (r run) end() balance { return last(r.states) }

// planFile is as much of a plan as this program reads of ours and writes for the others.
type planFile struct {
	Before  assessment   `json:"before"`
	After   assessment   `json:"after"`
	Actions []actionFile `json:"actions"`
	Stopped string       `json:"stopped_because"`
}

type actionFile struct {
	Seq       int    `json:"seq"`
	Kind      string `json:"kind"`
	VM        string `json:"vm"`
	From      string `json:"from"`
	To        string `json:"to"`
	DependsOn []int  `json:"depends_on,omitempty"`
}

type assessment struct {
	Score                   float64 `json:"score"`
	CPUUtilisationStddev    float64 `json:"cpu_utilisation_stddev"`
	MemoryUtilisationStddev float64 `json:"memory_utilisation_stddev"`
	MaxCPUUtilisation       float64 `json:"max_cpu_utilisation"`
	MaxMemoryUtilisation    float64 `json:"max_memory_utilisation"`
	ContendedCPUCores       float64 `json:"contended_cpu_cores"`
	RuleViolations          int     `json:"rule_violations"`
}

func (p planFile) moves() []move {
	var moves []move
	for _, a := range p.Actions {
		moves = append(moves, move{a.VM, a.From, a.To})
	}
	return moves
}

func readPlan(file string) (planFile, error) {
	var p planFile
	text, err := os.ReadFile(file)
	if err != nil {
		return p, fmt.Errorf("read plan: %w", err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("decode plan: %w", err)
	}
	return p, nil
}

// ours runs the planner for at most so many moves and has its plan checked.
func (a *arena) ours(ctx context.Context, most int) (run, error) {
	file := filepath.Join(a.dir, "ours.json")
	u, err := measured(ctx, a.options.limit, file, planCommand(a.options, a.snapshot, most)...)
	if err != nil {
		return run{}, err
	}
	if u.TimedOut {
		return run{}, fmt.Errorf("evenkeel makes no plan for %v within %v", a.size, a.options.limit)
	}
	p, err := readPlan(file)
	if err != nil {
		return run{}, err
	}
	r := run{subject: "evenkeel", moves: p.moves(), states: balances(a.snap, p.moves()), usage: u, note: p.Stopped}
	return r, a.options.check(ctx, a.snapshot, file)
}

func planCommand(o options, snapshot string, most int) []string {
	return []string{o.evenkeel, "plan", "--snapshot", snapshot, "--threshold", "5", "--max-moves", strconv.Itoa(most), "-o", "json"}
}

// climb runs the hill climbing as a process of its own, so that it is measured like the others.
func (a *arena) climb(ctx context.Context) (run, error) {
	self, err := os.Executable()
	if err != nil {
		return run{}, fmt.Errorf("find this program: %w", err)
	}
	file := filepath.Join(a.dir, "hill.json")
	u, err := measured(ctx, a.options.limit, file, self, "-climb", a.snapshot, "-climb-limit", a.options.climbLimit.String())
	if err != nil {
		return run{}, err
	}
	if u.TimedOut {
		return run{}, fmt.Errorf("hill climbing does not even start on %v within %v", a.size, a.options.limit)
	}
	p, err := readPlan(file)
	if err != nil {
		return run{}, err
	}
	r := run{subject: "hill climbing", moves: p.moves(), states: balances(a.snap, p.moves()), usage: u, note: p.Stopped}
	return r, a.checkPeer(ctx, r, 1)
}

// beClimber climbs and prints the moves.
func beClimber(snapshot string, limit time.Duration) error {
	text, err := os.ReadFile(snapshot)
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	s, err := cluster.DecodeSnapshot(text)
	if err != nil {
		return fmt.Errorf("decode snapshot: %w", err)
	}
	moves, err := climb(s, len(s.VMs)*len(s.Hosts), limit, ownCPU)
	if err != nil {
		return err
	}
	var p planFile
	for _, m := range moves {
		p.Actions = append(p.Actions, actionFile{VM: m.vm, From: m.from, To: m.to})
	}
	if ownCPU() >= limit {
		p.Stopped = fmt.Sprintf("cut off after %v of CPU time", limit)
	}
	return json.NewEncoder(os.Stdout).Encode(p)
}

// hbal runs Ganeti's balancer on the same cluster.
func (a *arena) hbal(ctx context.Context) (run, error) {
	file := filepath.Join(a.dir, "hbal.txt")
	u, err := measured(ctx, a.options.limit, file, "hbal", "-t", filepath.Join(a.dir, "cluster.data"), "-U", filepath.Join(a.dir, "cluster.load"), "-C")
	if err != nil {
		return run{}, err
	}
	if u.TimedOut {
		return run{}, fmt.Errorf("hbal has no solution for %v within %v; give it more with -limit", a.size, a.options.limit)
	}
	out, err := os.ReadFile(file)
	if err != nil {
		return run{}, fmt.Errorf("read solution: %w", err)
	}
	moves, err := parseSolution(a.snap, out)
	if err != nil {
		return run{}, err
	}
	r := run{subject: "hbal", moves: moves, states: balances(a.snap, moves), usage: u}
	const anyCPU = 100 // hbal knows no limit on the CPU in demand
	return r, a.checkPeer(ctx, r, anyCPU)
}

// checkPeer writes a peer's moves as a plan and has it checked, with all of the memory and so much CPU
// allowed. That tells whether the figures of this program are those that the checker counts.
func (a *arena) checkPeer(ctx context.Context, r run, maxCPU float64) error {
	p := planFile{Before: assess(a.snap, nil), After: assess(a.snap, r.moves)}
	for i, m := range r.moves {
		step := actionFile{Seq: i + 1, Kind: "migrate", VM: m.vm, From: m.from, To: m.to}
		for earlier := range i {
			step.DependsOn = append(step.DependsOn, earlier+1)
		}
		p.Actions = append(p.Actions, step)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	file := filepath.Join(a.dir, "peer.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return a.options.check(ctx, a.snapshot, file, "--max-memory", "1", "--max-cpu", fmt.Sprint(maxCPU))
}

// assess counts what a plan of these moves would say of the cluster after them.
func assess(s cluster.Snapshot, moves []move) assessment {
	b := last(balances(s, moves))
	return assessment{CPUUtilisationStddev: b.cpuStddev, MemoryUtilisationStddev: b.memoryStddev, MaxCPUUtilisation: b.maxCPU,
		MaxMemoryUtilisation: b.maxMemory, ContendedCPUCores: contended(s, moves)}
}

// contended is what VMs want beyond what their hosts have.
func contended(s cluster.Snapshot, moves []move) float64 {
	place, want := map[string]string{}, map[string]float64{}
	for _, m := range moves {
		place[m.vm] = m.to
	}
	for _, v := range s.VMs {
		host := v.Host
		if to, moved := place[v.ID]; moved {
			host = to
		}
		want[host] += v.CPUDemandCores
	}
	sum := 0.0
	for _, h := range s.Hosts {
		sum += max(0, h.ReservedCPUCores+want[h.ID]-h.CPUCores)
	}
	return sum
}

// check has the checker replay a plan. What it complains of is reason enough for the whole run to fail.
func (o options) check(ctx context.Context, snapshot, plan string, flags ...string) error {
	out, err := exec.CommandContext(ctx, o.checker, append(flags, snapshot, plan)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return fmt.Errorf("the checker complains of a plan: %s", shortened(bytes.TrimSpace(out)))
	}
	if err != nil {
		return fmt.Errorf("run the checker: %w", err)
	}
	return nil
}

func shortened(text []byte) []byte {
	const most = 2000
	if len(text) <= most {
		return text
	}
	return append(text[:most:most], " ..."...)
}
