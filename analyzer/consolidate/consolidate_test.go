package consolidate_test

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/consolidate"
)

// bins are n awake hosts of 10 cores and 100 of memory.
func bins(n int) []consolidate.Bin {
	var all []consolidate.Bin
	for range n {
		all = append(all, consolidate.Bin{CPU: 10, Memory: 100, Watts: []float64{100, 200}, On: true})
	}
	return all
}

func item(bin int, memory int64, cpu float64) consolidate.Item {
	return consolidate.Item{Bin: bin, Memory: memory, CPU: cpu, Mean: cpu, CostWh: 10}
}

func generous() consolidate.Policy {
	return consolidate.Policy{Upper: 0.8, Tolerance: 0.1, Lower: 0.8, Risk: 2, Horizon: 6 * time.Hour, MaxMoves: 100, MaxFree: 100}
}

func TestHalfEmptyHostsBecomeOne(t *testing.T) {
	made := consolidate.Make(consolidate.Cluster{Bins: bins(2), Items: []consolidate.Item{item(0, 40, 3), item(0, 10, 1), item(1, 40, 2)}}, generous())
	if len(made.Moves) != 1 || len(made.Free) != 1 || made.Free[0].Bin != 1 {
		t.Fatalf("%+v", made)
	}
	if f := made.Free[0]; f.Moves != 1 || f.SavedWh != 600 || f.CostWh != 10 || f.Sleep != 6*time.Hour {
		t.Errorf("%+v", f)
	}
	if made.WattsBefore != 260 || made.WattsAfter != 160 {
		t.Errorf("%.0f W before and %.0f W after", made.WattsBefore, made.WattsAfter)
	}
}

func TestAHostIsEmptiedWhollyOrNotAtAll(t *testing.T) {
	c := consolidate.Cluster{Bins: bins(2), Items: []consolidate.Item{item(0, 60, 1), item(1, 20, 1), item(1, 30, 1)}}
	if made := consolidate.Make(c, generous()); len(made.Moves) > 0 {
		t.Errorf("only one of two has a place, and %+v", made.Moves)
	}
}

func TestAnEmptyHostIsFreedWithoutMoves(t *testing.T) {
	made := consolidate.Make(consolidate.Cluster{Bins: bins(2), Items: []consolidate.Item{item(0, 10, 1)}}, consolidate.Policy{Upper: 0.8, Lower: 0.45, Horizon: time.Hour, MaxFree: 1, MaxMoves: 1})
	if len(made.Free) != 1 || made.Free[0].Bin != 1 || len(made.Moves) != 0 {
		t.Errorf("%+v", made)
	}
}

func TestEmptyingMustEarnItsCost(t *testing.T) {
	c := consolidate.Cluster{Bins: bins(2), Items: []consolidate.Item{item(0, 40, 3), item(0, 10, 1), item(1, 40, 2)}}
	for _, dear := range []func(){
		func() { c.Items[2].CostWh = 601 },
		func() { c.Items[2].CostWh, c.Bins[1].CycleWh = 10, 591 },
		func() { c.Bins[1].CycleWh, c.Items[2].Life = 0, 5*time.Minute },
	} {
		dear()
		for _, f := range consolidate.Make(c, generous()).Free {
			if f.Bin == 1 {
				t.Errorf("%+v", f)
			}
		}
	}
}

func TestWhatEndsSoonIsWaitedFor(t *testing.T) {
	// Together they earn their cost. But in a quarter of an hour only one of the two has to be moved.
	c := consolidate.Cluster{Bins: bins(2), Items: []consolidate.Item{item(0, 40, 3), item(0, 10, 3), item(1, 20, 1), item(1, 20, 1)}}
	for i := range c.Items {
		c.Items[i].CostWh = 30
	}
	c.Bins[0].Keep = true
	if made := consolidate.Make(c, generous()); len(made.Free) != 1 {
		t.Fatalf("%+v", made)
	}
	c.Items[3].Life = 15 * time.Minute
	if made := consolidate.Make(c, generous()); len(made.Free) != 0 {
		t.Errorf("%+v", made)
	}
}

func TestGapsThatCanBeFilledAreKept(t *testing.T) {
	// 30 fits both. Beside 40 it leaves 30, which another 30 can fill; beside 60 only 10, which nothing can.
	c := consolidate.Cluster{Bins: bins(3), Items: []consolidate.Item{item(0, 60, 2), item(1, 40, 2), item(2, 30, 1)}}
	c.Bins[0].Keep, c.Bins[1].Keep = true, true
	made := consolidate.Make(c, generous())
	if len(made.Moves) != 1 || made.Moves[0].To != 1 {
		t.Errorf("%+v", made.Moves)
	}
}

func TestPeaksThatDoNotComeTogetherShareTheirRoom(t *testing.T) {
	// Two deviations of each are 4, of both together 2.83: 5 and 2.83 are less than 8.
	c := consolidate.Cluster{Bins: bins(2), Items: []consolidate.Item{item(0, 10, 2.5), item(1, 10, 2.5)}}
	for i := range c.Items {
		c.Items[i].Deviation = 1
	}
	c.Bins[0].CPU, c.Bins[1].CPU = 8, 8
	if made := consolidate.Make(c, generous()); len(made.Free) != 1 {
		t.Errorf("%+v", made)
	}
	c.Items[0].Deviation = 1.5
	if made := consolidate.Make(c, generous()); len(made.Free) != 0 {
		t.Errorf("5 and 3.6 are more than 8, and %+v", made)
	}
}

func TestTheHostThatDrawsLeastForWhatIsScarceIsKept(t *testing.T) {
	frugal := consolidate.Bin{CPU: 4, Memory: 100, Watts: []float64{80, 110}, On: true}
	strong := consolidate.Bin{CPU: 16, Memory: 100, Watts: []float64{100, 160}, On: true}
	made := consolidate.Make(consolidate.Cluster{Bins: []consolidate.Bin{strong, frugal}, Items: []consolidate.Item{item(0, 40, 0.3), item(1, 40, 0.3)}}, generous())
	if len(made.Free) != 1 || made.Free[0].Bin != 0 {
		t.Errorf("memory is scarce, the strong host should sleep: %+v", made)
	}
	made = consolidate.Make(consolidate.Cluster{Bins: []consolidate.Bin{frugal, strong}, Items: []consolidate.Item{item(0, 4, 2), item(1, 4, 2)}}, generous())
	if len(made.Free) != 1 || made.Free[0].Bin != 0 {
		t.Errorf("CPU is scarce, the frugal host should sleep: %+v", made)
	}
}

func TestAHostOverItsTargetIsRelievedByTheCheapestThatWillDo(t *testing.T) {
	c := consolidate.Cluster{Bins: bins(2), Items: []consolidate.Item{item(0, 30, 5), item(0, 10, 3), item(0, 5, 2), item(1, 10, 1)}}
	c.Items[1].CostWh, c.Items[2].CostWh = 5, 6
	made := consolidate.Make(c, generous())
	if len(made.Moves) != 1 || made.Moves[0] != (consolidate.Move{Item: 1, From: 0, To: 1, Reason: consolidate.Relief}) {
		t.Fatalf("%+v", made.Moves)
	}
	if len(made.Over) != 1 || made.Over[0].Wanted != 10 || made.Over[0].Limit < 8.99 || made.Over[0].Left != 0 {
		t.Errorf("%+v", made.Over)
	}
}

func TestAHostWakesWhereNothingElseHasRoom(t *testing.T) {
	c := consolidate.Cluster{Bins: bins(3), Items: []consolidate.Item{item(0, 30, 5), item(0, 10, 5), item(1, 10, 7)}}
	c.Bins[2].On = false
	made := consolidate.Make(c, generous())
	if len(made.Wake) != 1 || made.Wake[0].Bin != 2 || len(made.Moves) != 1 || made.Moves[0].To != 2 {
		t.Errorf("%+v", made)
	}
	c.Bins = c.Bins[:2]
	if made := consolidate.Make(c, generous()); len(made.Moves) != 0 || len(made.Over) != 1 || made.Over[0].Left < 0.99 {
		t.Errorf("nothing helps, and %+v", made)
	}
}

func TestWhatCannotBeServedGoesWhereItCan(t *testing.T) {
	c := consolidate.Cluster{Bins: bins(2), Items: []consolidate.Item{item(0, 30, 5), item(1, 10, 1)}, Legal: func(i, b int) bool { return i != 0 || b == 1 }}
	c.Items[0].Leave = true
	p := generous()
	p.MaxFree = 0
	made := consolidate.Make(c, p)
	if len(made.Moves) != 1 || made.Moves[0].Reason != consolidate.Unserved || made.Moves[0].To != 1 {
		t.Errorf("%+v", made.Moves)
	}
}

func TestWhatIsMissingIsNoTrouble(t *testing.T) {
	for _, c := range []consolidate.Cluster{{}, {Bins: bins(1)}, {Items: []consolidate.Item{{Bin: -1}}},
		{Bins: []consolidate.Bin{{On: true}, {On: true, Memory: 1}}, Items: []consolidate.Item{{}, {Bin: 1, Mean: 1, CPU: 1, Life: 1}}}} {
		if made := consolidate.Make(c, generous()); len(made.Moves) > 0 {
			t.Errorf("%+v", made)
		}
	}
}

func BenchmarkMake(b *testing.B) {
	var c consolidate.Cluster
	c.Bins = bins(1000)
	for i := range 10_000 {
		c.Items = append(c.Items, item(i/10, int64(2<<(i%3)), 0.1+float64(i%7)/20))
	}
	for b.Loop() {
		if made := consolidate.Make(c, generous()); len(made.Moves) == 0 {
			b.Fatal("nothing to move")
		}
	}
}
