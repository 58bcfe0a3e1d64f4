package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func sizes() []size {
	return []size{{50, 500, true, 1}, {50, 500, false, 1}, {100, 1000, true, 1}, {100, 1000, true, 2}, {100, 1000, false, 3}, {1000, 10000, true, 1}}
}

func TestTheGeneratorIsDeterministic(t *testing.T) {
	encode := func(sz size) string {
		s := generate(sz)
		text, err := cluster.EncodeSnapshot(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cluster.DecodeSnapshot(text); err != nil {
			t.Fatalf("%v is no valid snapshot: %v", sz, err)
		}
		return string(text) + string(ganetiText(s)) + string(ganetiLoad(s))
	}
	sz := size{50, 500, true, 7}
	if first, again := encode(sz), encode(sz); first != again {
		t.Error("one size and seed gave two clusters")
	}
	other := sz
	other.seed++
	if encode(sz) == encode(other) {
		t.Error("two seeds gave one cluster")
	}
}

func TestGeneratedClustersAreAsDescribed(t *testing.T) {
	for _, sz := range sizes() {
		t.Run(sz.String(), func(t *testing.T) {
			s := generate(sz)
			if len(s.Hosts) != sz.hosts || len(s.VMs) != sz.vms {
				t.Fatalf("%d hosts and %d VMs", len(s.Hosts), len(s.VMs))
			}
			used, hot, promised := int64(sz.hosts)*hostReserved, 0, map[string]int64{}
			for _, v := range s.VMs {
				used += v.MemoryDemandBytes
				promised[v.Host] += v.MemoryBytes
				if v.CPUDemandCores >= hotLoad*float64(v.VCPUs) {
					hot++
				}
			}
			if share := float64(used) / float64(int64(sz.hosts)*hostMemory); share < 0.66 || share > 0.72 {
				t.Errorf("%.3f of the memory is used, want about 0.69", share)
			}
			if share := float64(hot) / float64(sz.vms); share < 0.05 || share > 0.11 {
				t.Errorf("%.3f of the VMs are hot, want about 0.08", share)
			}
			for host, sum := range promised {
				if full := float64(sum+hostReserved) / hostMemory; full > fullMemory {
					t.Errorf("%s starts with %.3f of its memory promised", host, full)
				}
			}
			start := balances(s, nil)[0]
			low, high := 0.12, 0.24
			if sz.skew {
				low, high = 0.26, 0.34
			}
			if start.cpuStddev < low || start.cpuStddev > high {
				t.Errorf("CPU sd is %.3f at the start, want %.2f to %.2f", start.cpuStddev, low, high)
			}
		})
	}
}

// hostSums are what one host carries, as either format tells it.
type hostSums struct {
	memoryMiB, freeMiB int64
	cores, demand      float64
	vcpus, vms         int
}

func TestBothFormatsDescribeTheSameCluster(t *testing.T) {
	for _, sz := range sizes()[:4] {
		s := generate(sz)
		want := map[string]hostSums{}
		for _, h := range s.Hosts {
			want[h.ID] = hostSums{memoryMiB: h.MemoryBytes / mib, freeMiB: (h.MemoryBytes - h.ReservedMemoryBytes) / mib, cores: h.CPUCores}
		}
		for _, v := range s.VMs {
			sums := want[v.Host]
			sums.freeMiB -= v.MemoryBytes / mib
			sums.demand += v.CPUDemandCores
			sums.vcpus += v.VCPUs
			sums.vms++
			want[v.Host] = sums
		}
		got := readGaneti(t, ganetiText(s), ganetiLoad(s))
		if len(got) != len(want) {
			t.Fatalf("%v: %d nodes, want %d", sz, len(got), len(want))
		}
		for host, w := range want {
			g := got[host]
			if math.Abs(g.demand-w.demand) > 1e-3 {
				t.Errorf("%v: %s has %v cores in demand, want %v", sz, host, g.demand, w.demand)
			}
			if g.demand = w.demand; g != w {
				t.Errorf("%v: %s is %+v, want %+v", sz, host, g, w)
			}
		}
	}
}

// readGaneti reads hbal's two files back.
func readGaneti(t *testing.T, text, load []byte) map[string]hostSums {
	t.Helper()
	sections := strings.Split(string(text), "\n\n")
	if len(sections) < 3 {
		t.Fatalf("%d sections", len(sections))
	}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	sums := map[string]hostSums{}
	for _, l := range strings.Split(strings.TrimSpace(sections[1]), "\n") {
		f := strings.Split(l, "|")
		sums[f[0]] = hostSums{memoryMiB: number(f[1]), freeMiB: number(f[3]), cores: float64(number(f[6]))}
	}
	node, memory := map[string]string{}, map[string]int64{}
	for _, l := range strings.Split(strings.TrimSpace(sections[2]), "\n") {
		f := strings.Split(l, "|")
		host := sums[f[6]]
		host.vcpus += int(number(f[3]))
		host.vms++
		sums[f[6]], node[f[0]] = host, f[6]
		memory[f[6]] += number(f[1])
	}
	for lines := bufio.NewScanner(bytes.NewReader(load)); lines.Scan(); {
		var name string
		var cpu, mem, disk, net float64
		if _, err := fmt.Sscan(lines.Text(), &name, &cpu, &mem, &disk, &net); err != nil {
			t.Fatal(err)
		}
		host := sums[node[name]]
		host.demand += cpu * host.cores
		sums[node[name]] = host
	}
	for host, sum := range sums {
		if free := sum.memoryMiB - hostReserved/mib - memory[host]; free != sum.freeMiB {
			t.Errorf("%s says that %d MiB are free, its instances leave %d", host, sum.freeMiB, free)
		}
	}
	return sums
}

const solution = `Loaded 2 nodes, 2 instances
Cluster score improved from 1.82 to 1.66
Solution length=2

Commands to run to reach the above solution:

  echo jobset 1, 1 jobs
    echo job 1/1
    gnt-instance migrate -f -n h2 v1
  echo jobset 2, 1 jobs
    echo job 2/1
    gnt-instance migrate -f -n h3 v1
`

func TestSolutionsAreRead(t *testing.T) {
	s := cluster.Snapshot{VMs: []cluster.VM{{ID: "v1", Host: "h1"}}}
	moves, err := parseSolution(s, []byte(solution))
	if want := []move{{"v1", "h1", "h2"}, {"v1", "h2", "h3"}}; err != nil || !slices.Equal(moves, want) {
		t.Errorf("%v, %v; want %v", moves, err, want)
	}
	for _, bad := range []string{
		strings.Replace(solution, "length=2", "length=3", 1),
		strings.Replace(solution, "migrate -f -n h3 v1", "replace-disks -n h3 v1", 1),
		"hbal: cannot read file\n",
	} {
		if moves, err := parseSolution(s, []byte(bad)); err == nil {
			t.Errorf("%v was read from %s", moves, bad)
		}
	}
}

func never() time.Duration { return 0 }

// steepestSlowly is the obvious twin of the hill climbing's step: it moves, counts anew and moves back.
func steepestSlowly(s cluster.Snapshot, done []move) (best move, drop float64) {
	sum := func(moves []move) float64 {
		cpu, memory := map[string]float64{}, map[string]float64{}
		at := map[string]string{}
		for _, v := range s.VMs {
			at[v.ID] = v.Host
		}
		for _, m := range moves {
			at[m.vm] = m.to
		}
		for _, v := range s.VMs {
			cpu[at[v.ID]] += v.CPUDemandCores / hostCores
			memory[at[v.ID]] += float64(v.MemoryDemandBytes) / hostMemory
		}
		total := 0.0
		for _, h := range s.Hosts {
			total += cpu[h.ID]*cpu[h.ID] + math.Pow(memory[h.ID]+float64(hostReserved)/hostMemory, 2)
		}
		return total
	}
	before := sum(done)
	for _, v := range s.VMs {
		for _, h := range s.Hosts {
			m := move{v.ID, placeAfter(v, done), h.ID}
			if d := before - sum(append(slices.Clone(done), m)); d > drop && m.from != m.to && roomFor(s, done, v, h.ID) {
				best, drop = m, d
			}
		}
	}
	return best, drop
}

func placeAfter(v cluster.VM, done []move) string {
	at := v.Host
	for _, m := range done {
		if m.vm == v.ID {
			at = m.to
		}
	}
	return at
}

func roomFor(s cluster.Snapshot, done []move, vm cluster.VM, host string) bool {
	memory, cpu := int64(hostReserved)+vm.MemoryBytes, vm.CPUDemandCores
	for _, v := range s.VMs {
		if placeAfter(v, done) == host {
			memory += v.MemoryBytes
			cpu += v.CPUDemandCores
		}
	}
	return memory <= hostMemory && cpu <= hostCores+1e-9
}

func TestHillClimbingTakesTheSteepestStepAndEndsAtTheTop(t *testing.T) {
	for seed := range uint64(3) {
		s := generate(size{5, 40, true, seed})
		moves, err := climb(s, 1000, time.Hour, never)
		if err != nil {
			t.Fatal(err)
		}
		if len(moves) < 3 {
			t.Fatalf("only %d moves", len(moves))
		}
		for i := range moves {
			want, drop := steepestSlowly(s, moves[:i])
			if want != moves[i] {
				t.Fatalf("seed %d: step %d is %v, want %v with %g", seed, i+1, moves[i], want, drop)
			}
		}
		if more, drop := steepestSlowly(s, moves); drop > 1e-9 {
			t.Errorf("seed %d: it ends and %v would lower the sum by %g", seed, more, drop)
		}
	}
}

func TestHillClimbingEndsWhenItIsTold(t *testing.T) {
	s := generate(size{50, 500, true, 1})
	if moves, err := climb(s, 7, time.Hour, never); err != nil || len(moves) != 7 {
		t.Errorf("%d moves of at most 7: %v", len(moves), err)
	}
	if moves, err := climb(s, 7, time.Second, func() time.Duration { return time.Minute }); err != nil || len(moves) != 0 {
		t.Errorf("%d moves though the time is over: %v", len(moves), err)
	}
	s.Hosts[3].CPUCores++
	if _, err := climb(s, 7, time.Hour, never); err == nil {
		t.Error("it climbs on unequal hosts, and cannot")
	}
}

// Balances must be what the planner's own room counts.
func TestBalancesAreCountedLikeAssessments(t *testing.T) {
	s := generate(size{50, 500, true, 4})
	moves, err := climb(s, 20, time.Hour, never)
	if err != nil {
		t.Fatal(err)
	}
	p := cluster.NewPlacement(s)
	for _, m := range moves {
		p.Move(m.vm, m.to)
	}
	want, got := p.Assess(), assess(s, moves)
	for name, pair := range map[string][2]float64{
		"CPU sd": {got.CPUUtilisationStddev, want.CPUUtilisationStddev}, "CPU max": {got.MaxCPUUtilisation, want.MaxCPUUtilisation},
		"memory sd": {got.MemoryUtilisationStddev, want.MemoryUtilisationStddev}, "memory max": {got.MaxMemoryUtilisation, want.MaxMemoryUtilisation},
		"contended": {got.ContendedCPUCores, want.ContendedCPUCores},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
}

// squares is a score of its own, so that the search is tested apart from the planner's.
type squares struct{ x *search }

func (q squares) move(int, int) {}
func (q squares) score() float64 {
	sum := 0.0
	for i, c := range q.x.cpu {
		share := c / q.x.snap.Hosts[i].CPUCores
		sum += share * share
	}
	return -sum
}

func TestTheOptimumIsWhatAllPlansOfSoManyMovesReach(t *testing.T) {
	for seed := range uint64(8) {
		s := generateSmall(seed)
		x := newSearch(s, nil)
		x.scored = squares{x}
		x.from(0, 2)
		if want := pairsSlowly(s); math.Abs(x.best-want) > 1e-9 {
			t.Errorf("seed %d: the search finds %v, trying all pairs %v", seed, x.best, want)
		}
		for i, v := range s.VMs {
			if s.Hosts[x.at[i]].ID != v.Host {
				t.Fatalf("seed %d: the search leaves %s on another host", seed, v.ID)
			}
		}
	}
}

// pairsSlowly tries every pair of VMs on every pair of hosts, each from a fresh start.
func pairsSlowly(s cluster.Snapshot) float64 {
	best := math.Inf(-1)
	for a := range s.VMs {
		for b := range s.VMs {
			for ta := range s.Hosts {
				for tb := range s.Hosts {
					x := newSearch(s, nil)
					for _, m := range [][2]int{{a, ta}, {b, tb}} {
						if slices.Contains(x.reach[m[0]], m[1]) && x.at[m[0]] != m[1] {
							x.put(m[0], m[1])
							x.gained[m[1]] = 1
						}
					}
					for h := range x.gained { // a host that lost again what it gained is as it was
						x.gained[h] = min(x.gained[h], visitors(x, h))
					}
					if x.legal() {
						best = max(best, squares{x}.score())
					}
				}
			}
		}
	}
	return best
}

func visitors(x *search, h int) int {
	n := 0
	for i, at := range x.at {
		if at == h && x.snap.VMs[i].Host != x.snap.Hosts[h].ID {
			n++
		}
	}
	return n
}

func TestTheFrontIsInterpolated(t *testing.T) {
	states := []balance{{cpuStddev: 0.3}, {moves: 1, movedGiB: 10, cpuStddev: 0.2}, {moves: 2, movedGiB: 30, cpuStddev: 0.1}}
	sd := func(b balance) float64 { return b.cpuStddev }
	if got, ok := interpolated(states, sd, 0.15); !ok || math.Abs(got-20) > 1e-9 {
		t.Errorf("%v, %v; want 20", got, ok)
	}
	if _, ok := interpolated(states, sd, 0.05); ok {
		t.Error("a balance that was never reached has its memory")
	}
	own := []balance{{cpuStddev: 0.3}, {moves: 1, movedGiB: 12, cpuStddev: 0.2}, {moves: 2, movedGiB: 15, cpuStddev: 0.15}, {moves: 3, movedGiB: 99, cpuStddev: 0.01}}
	if got := worst(own, states, sd); math.Abs(got-1.2) > 1e-9 {
		t.Errorf("the worst point is %v, want 1.2", got)
	}
}

func TestGoalsAreJudged(t *testing.T) {
	var b bytes.Buffer
	writeGoals(&b, []goal{atMost("reached", 0.4, 0.5), atMost("not reached", math.Inf(1), 0.5)})
	for _, want := range []string{"| reached | <= 0.5 | 0.4 | met |", "| not reached | <= 0.5 | +Inf | missed |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, &b)
		}
	}
}
