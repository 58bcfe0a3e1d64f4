package consolidate_test

import (
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/consolidate"
)

const cases = 400

// random is a cluster of a few dozen bins, some of them asleep, of which every item fits its own at first but for CPU.
func random(seed int64) (consolidate.Cluster, consolidate.Policy) {
	r := rand.New(rand.NewSource(seed))
	var c consolidate.Cluster
	for range 5 + r.Intn(25) {
		b := consolidate.Bin{CPU: 16 + 16*float64(r.Intn(2)), OwnCPU: r.Float64(), OwnMemory: int64(r.Intn(4)), Watts: []float64{80 + 20*r.Float64(), 150, 200},
			AsleepWatts: 5, CycleWh: 5 * r.Float64(), On: r.Intn(5) > 0, Keep: r.Intn(10) == 0}
		if r.Intn(6) > 0 {
			b.Memory = 64 << r.Intn(2)
		}
		c.Bins = append(c.Bins, b)
	}
	free := make([]int64, len(c.Bins))
	for b, bin := range c.Bins {
		free[b] = bin.Memory - bin.OwnMemory
	}
	for range r.Intn(6 * len(c.Bins)) {
		b := r.Intn(len(c.Bins))
		memory := []int64{2, 4, 8, 13, 24}[r.Intn(5)]
		if !c.Bins[b].On || c.Bins[b].Memory > 0 && free[b] < memory {
			b = -1
		} else {
			free[b] -= memory
		}
		mean := 4 * r.Float64() * r.Float64()
		c.Items = append(c.Items, consolidate.Item{Bin: b, Memory: memory, Mean: mean, CPU: max(0, mean*(1+r.NormFloat64())), Deviation: mean * r.Float64(),
			Fixed: r.Intn(15) == 0, Leave: r.Intn(30) == 0, CostWh: 40 * r.Float64(), Life: time.Duration(r.Intn(20)) * time.Hour})
	}
	p := consolidate.Policy{Upper: 0.6 + 0.3*r.Float64(), Tolerance: 0.15 * r.Float64(), Lower: 0.3 + 0.6*r.Float64(), Risk: 3 * r.Float64(),
		Horizon: time.Duration(1+r.Intn(24)) * time.Hour, MaxMoves: r.Intn(80), MaxFree: r.Intn(20)}
	return c, p
}

// apart adds a rule to the cluster: items whose numbers differ by a multiple of 7 are never on one bin together.
func apart(c *consolidate.Cluster) (stand []int) {
	for i := range c.Items {
		stand = append(stand, c.Items[i].Bin)
	}
	c.Stand = func(i, b int) { stand[i] = b }
	c.Legal = func(i, b int) bool {
		for j := i % 7; j < len(stand); j += 7 {
			if j != i && stand[j] == b {
				return false
			}
		}
		return true
	}
	return stand
}

func forAll(t *testing.T, law func(t *testing.T, c consolidate.Cluster, p consolidate.Policy, made consolidate.Plan)) {
	t.Helper()
	moved := 0
	for seed := range int64(cases) {
		c, p := random(seed)
		made := consolidate.Make(c, p)
		moved += len(made.Moves)
		law(t, c, p, made)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if moved < cases {
		t.Errorf("%d moves in %d cases: the law was hardly asked", moved, cases)
	}
}

// replay goes through the plan. Memory that an item leaves stays counted, as it does when all move at the same time.
func replay(c consolidate.Cluster, made consolidate.Plan, each func(step consolidate.Move, memory []int64, now, mean []float64)) []int {
	at := make([]int, len(c.Items))
	memory, now, mean := make([]int64, len(c.Bins)), make([]float64, len(c.Bins)), make([]float64, len(c.Bins))
	for b, bin := range c.Bins {
		memory[b], now[b], mean[b] = bin.OwnMemory, bin.OwnCPU, bin.OwnCPU
	}
	put := func(i, b int) {
		at[i] = b
		if b >= 0 {
			memory[b], now[b], mean[b] = memory[b]+c.Items[i].Memory, now[b]+c.Items[i].CPU, mean[b]+c.Items[i].Mean
		}
	}
	for i, item := range c.Items {
		put(i, item.Bin)
	}
	for _, m := range made.Moves {
		from := at[m.Item]
		put(m.Item, m.To)
		each(m, memory, now, mean)
		now[from], mean[from] = now[from]-c.Items[m.Item].CPU, mean[from]-c.Items[m.Item].Mean
	}
	return at
}

func TestLawEveryIntermediateStateIsLegal(t *testing.T) {
	const rounding = 1e-9
	forAll(t, func(t *testing.T, c consolidate.Cluster, p consolidate.Policy, made consolidate.Plan) {
		awake := make([]bool, len(c.Bins))
		for b := range c.Bins {
			awake[b] = c.Bins[b].On
		}
		for _, w := range made.Wake {
			awake[w.Bin] = true
		}
		replay(c, made, func(m consolidate.Move, memory []int64, now, mean []float64) {
			bin := c.Bins[m.To]
			if !awake[m.To] {
				t.Errorf("item %d goes to bin %d, which sleeps", m.Item, m.To)
			}
			if bin.Memory > 0 && memory[m.To] > bin.Memory {
				t.Errorf("bin %d has %d of memory and is to hold %d", m.To, bin.Memory, memory[m.To])
			}
			if mean[m.To] > p.Upper*bin.CPU+rounding || now[m.To] > (p.Upper+p.Tolerance)*bin.CPU+rounding {
				t.Errorf("bin %d is filled to %.2f expected and %.2f now of %.0f", m.To, mean[m.To], now[m.To], bin.CPU)
			}
		})
	})
}

func TestLawRulesHoldAfterEveryStep(t *testing.T) {
	asked := 0
	for seed := range int64(cases) {
		c, p := random(seed)
		stand := apart(&c)
		before := slices.Clone(stand)
		made := consolidate.Make(c, p)
		if !slices.Equal(stand, before) {
			t.Fatalf("seed %d: on paper not all are back where they were", seed)
		}
		for _, m := range made.Moves {
			if !c.Legal(m.Item, m.To) {
				t.Fatalf("seed %d: item %d may not go to bin %d then", seed, m.Item, m.To)
			}
			stand[m.Item] = m.To
			asked++
		}
	}
	if asked < cases {
		t.Errorf("%d moves: the law was hardly asked", asked)
	}
}

func TestLawFreedBinsAreWhollyEmpty(t *testing.T) {
	forAll(t, func(t *testing.T, c consolidate.Cluster, p consolidate.Policy, made consolidate.Plan) {
		at := replay(c, made, func(consolidate.Move, []int64, []float64, []float64) {})
		emptied := map[int]bool{}
		for _, f := range made.Free {
			emptied[f.Bin] = true
			if slices.Contains(at, f.Bin) {
				t.Errorf("bin %d is freed and holds items", f.Bin)
			}
			if !c.Bins[f.Bin].On || c.Bins[f.Bin].Keep {
				t.Errorf("bin %d is freed and sleeps already, or is to be kept", f.Bin)
			}
			if f.SavedWh < f.CostWh || f.Sleep > p.Horizon {
				t.Errorf("bin %d saves %.1f Wh in %s and costs %.1f", f.Bin, f.SavedWh, f.Sleep, f.CostWh)
			}
		}
		for _, m := range made.Moves {
			if m.Reason == consolidate.Emptying && !emptied[m.From] {
				t.Errorf("item %d leaves bin %d, which is not freed", m.Item, m.From)
			}
		}
	})
}

func TestLawNothingMovesTwiceOrThatMayNot(t *testing.T) {
	forAll(t, func(t *testing.T, c consolidate.Cluster, _ consolidate.Policy, made consolidate.Plan) {
		moved := map[int]bool{}
		for _, m := range made.Moves {
			item := c.Items[m.Item]
			if moved[m.Item] || item.Fixed || item.Bin < 0 || item.Bin != m.From || m.From == m.To {
				t.Errorf("item %d (%+v) moves from %d to %d", m.Item, item, m.From, m.To)
			}
			moved[m.Item] = true
		}
	})
}

func TestLawTheBudgetIsKept(t *testing.T) {
	forAll(t, func(t *testing.T, _ consolidate.Cluster, p consolidate.Policy, made consolidate.Plan) {
		if len(made.Moves) > p.MaxMoves || len(made.Free) > p.MaxFree {
			t.Errorf("%d moves and %d bins, where %d and %d are allowed", len(made.Moves), len(made.Free), p.MaxMoves, p.MaxFree)
		}
	})
}

func TestLawTheSameInputGivesTheSamePlan(t *testing.T) {
	forAll(t, func(t *testing.T, c consolidate.Cluster, p consolidate.Policy, made consolidate.Plan) {
		if again := consolidate.Make(c, p); !reflect.DeepEqual(made, again) {
			t.Errorf("%+v\nand then\n%+v", made, again)
		}
	})
}

func TestLawItDrawsLessUnlessSomethingWakes(t *testing.T) {
	forAll(t, func(t *testing.T, _ consolidate.Cluster, _ consolidate.Policy, made consolidate.Plan) {
		if len(made.Wake) == 0 && len(made.Over) == 0 && made.WattsAfter > 1.1*made.WattsBefore {
			t.Errorf("%.0f W before and %.0f W after", made.WattsBefore, made.WattsAfter)
		}
	})
}

// Who follows the plans comes to rest: what was emptied is not filled and emptied again.
func TestLawPlansComeToAnEnd(t *testing.T) {
	const rounds = 60
	for seed := range int64(cases) {
		c, p := random(seed)
		for i := range c.Items {
			c.Items[i].Leave = false
		}
		for round := 0; ; round++ {
			made := consolidate.Make(c, p)
			if len(made.Moves)+len(made.Free)+len(made.Wake) == 0 || p.MaxFree == 0 || p.MaxMoves < 10 {
				break
			}
			if round == rounds {
				t.Fatalf("seed %d: after %d rounds there are still %d moves", seed, round, len(made.Moves))
			}
			for _, m := range made.Moves {
				c.Items[m.Item].Bin = m.To
			}
			for _, w := range made.Wake {
				c.Bins[w.Bin].On = true
			}
			for _, f := range made.Free {
				c.Bins[f.Bin].On = false
			}
		}
	}
}

func TestTheZeroPolicyPlansNothing(t *testing.T) {
	for seed := range int64(cases) {
		c, _ := random(seed)
		if made := consolidate.Make(c, consolidate.Policy{}); len(made.Moves)+len(made.Free)+len(made.Wake) > 0 {
			t.Fatalf("seed %d: %+v", seed, made)
		}
	}
}
