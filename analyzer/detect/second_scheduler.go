package detect

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// secondScheduler finds that VMs move which evenkeel did not move: another scheduler would undo what it does.
func secondScheduler(_ *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	if !s.OwnMovesLastDay.Known || pol.ForeignMoves <= 0 {
		return nil
	}
	seen := 0
	for i := range s.VMs {
		seen += s.VMs[i].MovesLastDay
	}
	foreign := float64(seen) - s.OwnMovesLastDay.Value
	if foreign <= pol.ForeignMoves {
		return nil
	}
	return []cluster.Finding{{Detector: "second_scheduler", Subject: "cluster",
		Reason:   fmt.Sprintf("VMs were moved %d times in the last day and evenkeel did %.0f of it: another scheduler, or many hands, are at work", seen, s.OwnMovesLastDay.Value),
		Evidence: []cluster.Evidence{{Name: "foreign_moves", Value: foreign, Limit: cluster.Known(pol.ForeignMoves), Unit: "moves a day", Query: s.Query("moves_last_day")}}}}
}
