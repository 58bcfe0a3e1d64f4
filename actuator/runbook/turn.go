package runbook

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// due lists the runs whose turn it is, and marks them as driven: those that were begun before, then the oldest, not more of a
// runbook than it may have at once. What only has to be brought to its end waits for no turn.
func (r *Room) due() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	busy := map[string]int{}
	var waiting []cluster.Run
	for id, run := range r.runs {
		switch {
		case r.driven[id]:
			busy[run.Runbook]++
		case run.State == cluster.RunUnderWay:
			waiting = append(waiting, run)
		}
	}
	slices.SortFunc(waiting, func(x, y cluster.Run) int {
		if begun := min(len(y.Steps), 1) - min(len(x.Steps), 1); begun != 0 {
			return begun
		}
		return byAge(x, y)
	})
	var ids []string
	for _, run := range waiting {
		b, known := r.bookOf(run)
		if known && busy[run.Runbook] >= b.AtOnce && r.halt(run) == nil {
			continue
		}
		busy[run.Runbook]++
		r.driven[run.ID] = true
		ids = append(ids, run.ID)
	}
	return ids
}

// sweep forgets what is too long ago to matter.
func (r *Room) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, at := range r.over {
		if now.Sub(at) > keepOver {
			delete(r.over, id)
		}
	}
	for id, run := range r.runs {
		if run.State != cluster.RunUnderWay && !run.Resolved.IsZero() && now.Sub(run.Resolved) > keepOver && now.Sub(run.Finished) > keepOver {
			delete(r.runs, id)
			delete(r.told, id)
		}
	}
}

// byAge sorts the oldest first.
func byAge(x, y cluster.Run) int {
	if d := x.Started.Compare(y.Started); d != 0 {
		return d
	}
	if x.ID < y.ID {
		return -1
	}
	return 1
}
