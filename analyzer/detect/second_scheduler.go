package detect

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// secondScheduler finds that VMs move which evenkeel did not move: another scheduler would undo what it does.
func secondScheduler(_ *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	foreign := s.ForeignMoves()
	if pol.ForeignMoves <= 0 || foreign <= pol.ForeignMoves {
		return nil
	}
	return []cluster.Finding{{Detector: "second_scheduler", Subject: "cluster",
		Reason:   fmt.Sprintf("VMs were moved %.0f times in the last day and evenkeel did %.0f of it: another scheduler, or many hands, are at work", foreign+s.OwnMovesLastDay.Value, s.OwnMovesLastDay.Value),
		Evidence: []cluster.Evidence{{Name: "foreign_moves", Value: foreign, Limit: cluster.Known(pol.ForeignMoves), Unit: "moves a day", Query: s.Query("moves_last_day")}}}}
}
