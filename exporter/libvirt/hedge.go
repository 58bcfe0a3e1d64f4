package libvirt

import (
	"context"
	"slices"
	"time"
)

// pace knows how long calls for all numbers take. The median of the last few is what is usual: neither one
// that hung for an hour nor the many that wait for a migration's end move it, and after a few calls a
// host that has become slower for good is not taken for a stuck one any more.
type pace struct{ last []time.Duration }

const (
	// paceOf is how many calls make the pace.
	paceOf = 25
	// patienceFloor and patienceMost bound what domains that do not answer can add to a reading, and
	// patienceTimes is how many times longer than usual one may take, where domains are read one by one.
	patienceFloor, patienceMost = 500 * time.Millisecond, 2 * time.Second
	patienceTimes               = 1.5
	// After hedgeTimes the usual time narrower calls are made beside the first one, and from budgetTimes
	// the usual time on what numbers have been told by then have to do. Below their floors there is no hurry.
	hedgeTimes, hedgeFloor   = 1.4, 250 * time.Millisecond
	budgetTimes, budgetFloor = 2.25, 800 * time.Millisecond
	// VMs that were passed over are asked again for a quarter of the usual time, if not longer.
	againShare, againFloor = 0.25, 100 * time.Millisecond
)

func times(d time.Duration, f float64) time.Duration { return time.Duration(f * float64(d)) }

// took also learns from calls that nobody waited for any more.
func (p *pace) took(d time.Duration) {
	if p.last = append(p.last, d); len(p.last) > paceOf {
		p.last = slices.Delete(p.last, 0, 1)
	}
}

// usual is 0 while nothing is known.
func (p *pace) usual() time.Duration {
	if len(p.last) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(p.last))[len(p.last)/2]
}

// patience is how long a reading by calls for each domain may take.
func (p *pace) patience() time.Duration {
	return max(min(times(p.usual(), patienceTimes), p.usual()+patienceMost), patienceFloor)
}

// hedge is when narrower calls are made beside one that has not come back.
func (p *pace) hedge() time.Duration { return max(times(p.usual(), hedgeTimes), hedgeFloor) }

// budget is from when on a reading is made of what has come back.
func (p *pace) budget() time.Duration {
	return max(min(times(p.usual(), budgetTimes), p.usual()+patienceMost), budgetFloor)
}

// again is how long asking once more may take when so much of the budget is spent.
func (p *pace) again(spent time.Duration) time.Duration {
	return max(p.budget()-spent, times(p.usual(), againShare), againFloor)
}

// width is one of the calls that can make a reading, side by side.
type width int

const (
	// everything asks all VMs for all numbers. One VM whose lock libvirt holds stops it.
	everything width = iota
	// free asks those VMs for all numbers that nothing should hold up.
	free
	// present asks all VMs for what takes no answer from their processes.
	present
	widths
)

// answer is what came of a call, or of a part of it.
type answer struct {
	of    width
	found []found
	err   error
	// asked are the VMs that were asked by name, and more tells that others will be.
	asked []string
	more  bool
	// gaps tells that VMs were passed over that should not be busy: with one of the other calls, perhaps.
	gaps bool
}

// answers are those of one reading so far.
type answers struct {
	begun [widths]bool
	got   [widths]*answer
}

// ok tells whether a call told something, pending whether it may tell more.
func (a *answers) ok(w width) bool      { return a.got[w] != nil && a.got[w].err == nil }
func (a *answers) pending(w width) bool { return a.begun[w] && (a.got[w] == nil || a.got[w].more) }

// enough tells whether there is nothing left to wait for. When the budget is spent, any numbers will do, but
// not who is there alone: a page without numbers is worth less than one that is late.
func (a *answers) enough(spent bool) bool {
	if !a.left() || spent && (a.ok(everything) || a.ok(free)) {
		return true
	}
	// What one call passes over may be what the other one is at.
	whole := a.ok(everything) && !(a.got[everything].gaps && a.pending(free))
	parts := a.ok(present) && a.ok(free) && !a.pending(free) && !(a.got[free].gaps && a.pending(everything))
	return whole || parts
}

// left tells whether a call has not come back.
func (a *answers) left() bool {
	for w := range widths {
		if a.pending(w) {
			return true
		}
	}
	return false
}

// err is why there is no answer, the widest call's first.
func (a *answers) err() error {
	for _, got := range a.got {
		if got != nil && got.err != nil {
			return got.err
		}
	}
	return nil
}

// call makes the call of a width and returns what came of it. What comes of its parts it tells before.
type call func(ctx context.Context, w width, part func(answer)) answer

// limits are how long a reading waits.
type limits struct {
	// hedge is when the narrower calls are made, budget when what numbers there are have to do, and last when
	// nothing more is waited for although none have come.
	hedge, budget, last time.Duration
}

func (p *pace) limits() limits {
	return limits{hedge: p.hedge(), budget: p.budget(), last: p.budget() + patienceMost}
}

// collect makes the first call, and the narrower ones beside it when it does not come back in its time,
// and returns when there is enough. Calls that nobody waits for any more are left to end by themselves.
// A first call that fails is made once more: the daemon was restarted, most likely, and may be back.
func collect(ctx context.Context, l limits, first bool, narrower []width, ask call) answers {
	ctx, cancel := context.WithTimeout(ctx, l.last)
	defer cancel()
	var a answers
	parts, results := make(chan answer), make(chan answer, int(widths)+1) // with room for all, so that none waits for a reader that has gone
	begin := func(w width) {
		a.begun[w], a.got[w] = true, nil
		go func() {
			results <- ask(ctx, w, func(a answer) {
				select {
				case parts <- a:
				case <-ctx.Done():
				}
			})
		}()
	}
	hedge, budget := time.NewTimer(l.hedge), time.NewTimer(l.budget)
	defer hedge.Stop()
	defer budget.Stop()
	if first {
		begin(everything)
	} else {
		hedge.Reset(0)
	}
	again, spent := first, false
	for {
		select {
		case got := <-results:
			a.got[got.of] = &got
			if again && got.of == everything && got.err != nil && !unsupported(got.err) && ctx.Err() == nil {
				again = false
				begin(everything)
			}
		case got := <-parts:
			a.got[got.of] = &got
		case <-hedge.C:
			for _, w := range narrower {
				begin(w)
			}
		case <-budget.C:
			spent = true
		}
		if a.enough(spent) {
			return a
		}
	}
}
