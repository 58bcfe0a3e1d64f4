package gate

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// freeze refuses while a freeze is on.
func freeze(q Question) cluster.Verdict {
	for _, f := range q.Policy.Freezes {
		end, on := f.on(q.Now)
		if q.Rec.Recovers() && len(f.Kinds) == 0 {
			continue // who freezes changes does not want what fails to stay down
		}
		if !on || len(f.Kinds) > 0 && !slices.Contains(f.Kinds, q.Rec.Policy) || f.ApprovedPass && q.Approval != nil {
			continue
		}
		return frozen(f, end)
	}
	return pass("no freeze is on")
}

// on tells whether the freeze is on, and until when. Where two of its times overlap the later end counts.
func (f Freeze) on(now time.Time) (end time.Time, on bool) {
	t, on := cluster.Window{Begins: f.Schedule, Lasts: f.Duration}.Turn(now)
	return t.End, on
}
