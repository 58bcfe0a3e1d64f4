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
	paceOf = 15
	// patienceFloor and patienceMost bound what domains that do not answer can add to a reading, and
	// patienceTimes is how many times longer than usual one may take, where domains are read one by one.
	patienceFloor, patienceMost = 500 * time.Millisecond, 2 * time.Second
	patienceTimes               = 1.5
	// After hedgeTimes the usual time narrower calls are made beside the first one, and from budgetTimes
	// the usual time on what has been told by then has to do. Below their floors there is no hurry.
	hedgeTimes, hedgeFloor   = 1.25, 150 * time.Millisecond
	budgetTimes, budgetFloor = 2.0, 600 * time.Millisecond
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
	// light asks them for the CPU time alone of all that takes an answer.
	light
	// present asks all VMs for what takes no answer from their processes.
	present
	widths
)

// answer is what came of a call.
type answer struct {
	of    width
	found []found
	err   error
}

// answers are those of one reading so far.
type answers struct {
	begun [widths]bool
	got   [widths]*answer
}

func (a *answers) ok(w width) bool      { return a.got[w] != nil && a.got[w].err == nil }
func (a *answers) pending(w width) bool { return a.begun[w] && a.got[w] == nil }

// enough tells whether there is nothing left to wait for. When the budget is spent, any answer will do.
func (a *answers) enough(spent bool) bool {
	some := false
	for w := range widths {
		some = some || a.ok(w)
	}
	return !a.left() || a.ok(everything) || a.ok(present) && !a.pending(free) && (a.ok(free) || !a.pending(light)) || some && spent
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

// call makes the call of a width and reports what came of it.
type call func(ctx context.Context, w width) answer

// limits are how long a reading waits.
type limits struct {
	// hedge is when the narrower calls are made, budget when what there is has to do, and last when nothing
	// more is waited for although no call has come back.
	hedge, budget, last time.Duration
}

// collect makes the first call, and the narrower ones beside it when it does not come back in its time,
// and returns when there is enough. Calls that nobody waits for any more are left to end by themselves.
// A first call that fails is made once more: the daemon was restarted, most likely, and may be back.
func collect(ctx context.Context, l limits, first bool, narrower []width, ask call) answers {
	ctx, cancel := context.WithTimeout(ctx, l.last)
	defer cancel()
	var a answers
	results := make(chan answer, int(widths)+1) // with room for all, so that none waits for a reader that has gone
	begin := func(w width) {
		a.begun[w], a.got[w] = true, nil
		go func() { results <- ask(ctx, w) }()
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
