package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/detect"
	planner "github.com/evenkeel/evenkeel/analyzer/plan"
	vocabulary "github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
)

// Every plan from a random cluster goes through the checker, by way of the two files alone.
func TestNothingIsWrongWithAnyPlan(t *testing.T) {
	pol := planner.Policy{MaxMoves: 12, Limits: vocabulary.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, BandwidthBytesPerSecond: 1 << 30, Horizon: time.Hour}
	steps := 0
	for seed := range 2000 {
		snap := clustertest.Snapshots().Example(seed)
		pol.Threshold = 1 + seed%5
		made := planner.Make(snap, detect.Findings(snap, detect.Default(pol.Threshold, pol.Limits)), pol)
		steps += len(made.Actions)
		text, err := vocabulary.EncodeSnapshot(snap)
		if err != nil {
			t.Fatal(err)
		}
		planText, err := json.Marshal(made)
		if err != nil {
			t.Fatal(err)
		}
		if faults := faultsOf(t, string(text), string(planText)); len(faults) > 0 {
			t.Fatalf("seed %d: %v\n%s\n%s", seed, faults, text, planText)
		}
	}
	if steps < 400 {
		t.Errorf("only %d steps in 2000 plans: the test proves little", steps)
	}
}
