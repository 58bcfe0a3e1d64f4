// Package trust says how far a kind of action is trusted to happen by itself: as far as its promises were kept. It is
// pure: the same ledger gives the same trust.
package trust

import (
	"fmt"
	"math"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Policy is what it takes to be trusted.
type Policy struct {
	// Actions is the least number of actions that must have been measured, Quality the least share of kept
	// promises: the lower bound of its confidence interval, 0 to 1.
	Actions int
	Quality float64
	// Window is how far back promises count.
	Window time.Duration
	// Ceiling is the most that a kind can earn.
	Ceiling cluster.Level
	// Stale is how old the newest judgement may be while anything is trusted.
	Stale time.Duration
}

// Record is what is known of one kind of action.
type Record struct {
	Policy string
	// Level is what it has earned so far, Since when it last changed; the zero time when it never did.
	Level cluster.Level
	Since time.Time
	// Promises are those of this kind, in any order.
	Promises []cluster.Promise
	// Judged is when the cluster was judged last.
	Judged time.Time
}

// Standing is how a kind of action does.
type Standing struct {
	Policy string        `json:"policy"`
	Level  cluster.Level `json:"level"`
	// Kept of Of promises count; LowerBound is what can be believed of their share.
	Kept       int     `json:"kept"`
	Of         int     `json:"of"`
	LowerBound float64 `json:"lower_bound"`
	// Wants says what is missing for more, or what holds it.
	Wants string `json:"wants"`
}

// confidence is the normal quantile of a two-sided interval of 95 %.
const confidence = 1.959964

// LowerBound is the lower end of Wilson's score interval for a share of kept in of (Wilson, "Probable Inference, the
// Law of Succession, and Statistical Inference", 1927): what can be believed of a small sample. 0 of nothing.
func LowerBound(kept, of int) float64 {
	if of == 0 {
		return 0
	}
	n, p, z := float64(of), float64(kept)/float64(of), confidence
	return (p + z*z/(2*n) - z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))) / (1 + z*z/n)
}

// Judge says how the kind of action stands, and how its level changes now, or nil. One broken promise takes away at
// once all that was earned, as do data that are old; after that only what is promised anew counts.
func Judge(r Record, p Policy, now time.Time) (Standing, *cluster.TrustChange) {
	s := Standing{Policy: r.Policy, Level: max(r.Level, cluster.LevelManual)}
	var broken *cluster.Promise
	for i, one := range r.Promises {
		if !one.At.After(now.Add(-p.Window)) || r.fresh() && !one.At.After(r.Since) {
			continue
		}
		s.Of++
		if one.Kept {
			s.Kept++
		} else if one.At.After(r.Since) && (broken == nil || one.At.Before(broken.At)) {
			broken = &r.Promises[i]
		}
	}
	s.LowerBound = LowerBound(s.Kept, s.Of)
	change := func(to cluster.Level, reason string) (Standing, *cluster.TrustChange) {
		c := &cluster.TrustChange{Policy: r.Policy, From: s.Level, To: to, Reason: reason, Since: now, Kept: s.Kept, Of: s.Of, LowerBound: s.LowerBound}
		s.Level, s.Wants = to, reason
		return s, c
	}
	trusted := s.Level > cluster.LevelManual
	switch age := now.Sub(r.Judged); {
	case trusted && broken != nil:
		return change(cluster.LevelManual, fmt.Sprintf("%s: %s", broken.ID, broken.Why))
	case trusted && age > p.Stale:
		return change(cluster.LevelManual, fmt.Sprintf("the cluster was judged last %s ago; %s is the most", age.Round(time.Second), p.Stale))
	case trusted && s.Level != p.Ceiling:
		return change(p.Ceiling, fmt.Sprintf("the ceiling is %s now", p.Ceiling))
	case trusted:
		s.Wants = "nothing: it is at its ceiling, and one broken promise takes it away"
	case s.Of < p.Actions:
		s.Wants = fmt.Sprintf("%d more measured actions", p.Actions-s.Of)
	case s.LowerBound < p.Quality:
		s.Wants = fmt.Sprintf("promises kept: %.2f of them can be believed, and %.2f must", s.LowerBound, p.Quality)
	case p.Ceiling <= cluster.LevelManual:
		s.Wants = "a ceiling above manual"
	case age > p.Stale:
		s.Wants = "fresh data"
	default:
		return change(p.Ceiling, fmt.Sprintf("%d of %d actions came as promised; %.2f of them can be believed, and %.2f must", s.Kept, s.Of, s.LowerBound, p.Quality))
	}
	return s, nil
}

// fresh tells whether only what came after the last change counts: after trust was lost.
func (r Record) fresh() bool { return !r.Since.IsZero() && r.Level <= cluster.LevelManual }
