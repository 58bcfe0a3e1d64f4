// Package consolidate judges which hosts could sleep and where their VMs would go, and which have to be woken since
// others run over their target. It is pure: the same input gives the same plan. It knows hosts as bins and VMs as
// items, with what they are expected to want; where these expectations come from, and rules about placement, are its
// caller's business, and so is whether anything may happen at all.
//
// Three things make its plans cheap. An item is sized by its mean, and a bin's room for the unexpected by the root of
// the summed variances, since not all peaks come at once. Of gaps in memory it matters whether the sizes that there are
// can fill them. And items that will end soon are put together, so that their hosts become free by themselves.
package consolidate

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Cluster is what there is. Bins and items are named by their places in it.
type Cluster struct {
	Bins  []Bin
	Items []Item
	// Legal tells whether anything but capacity forbids the item to go to the bin, with all items where they stand on
	// paper; nil for nothing.
	Legal func(item, bin int) bool
	// Stand is told of every move on paper, and of every one that is taken back, for a Legal that depends on where the
	// others are. When the plan is made all are back where they were. It may be nil.
	Stand func(item, bin int)
}

// Bin is a host. CPU may be in any unit, the same for all.
type Bin struct {
	CPU float64
	// OwnCPU and OwnMemory are what the host itself uses or is to keep.
	OwnCPU float64
	// Memory is in bytes, or any other unit; 0 for no limit.
	Memory    int64
	OwnMemory int64
	// Watts are drawn at evenly spaced shares of the CPU, from idle to full. Without them it saves nothing by
	// sleeping.
	Watts cluster.PowerCurve
	// AsleepWatts are drawn in standby, and CycleWh is what falling asleep and waking costs.
	AsleepWatts float64
	CycleWh     float64
	On          bool
	// Keep keeps it from being emptied.
	Keep bool
}

// Item is a VM.
type Item struct {
	// Bin is where it runs, -1 for nowhere.
	Bin    int
	Memory int64
	// CPU is what it wants now, Mean what it is expected to want, and Deviation how far that is usually missed.
	CPU       float64
	Mean      float64
	Deviation float64
	// Fixed keeps it where it is.
	Fixed bool
	// Leave tells that its bin cannot serve it, and it should go to one that can.
	Leave bool
	// CostWh is what a move of it has to earn.
	CostWh float64
	// Life is for how long it is expected to run on; 0 when nobody knows, which is taken for the whole horizon.
	Life time.Duration
}

// Policy is what the operator decided. The zero Policy plans nothing.
type Policy struct {
	// Upper is how much of its CPU a bin is filled to, by what its items are expected to want. What they want now may be
	// more by Tolerance before some have to leave. Bins above Lower are not emptied.
	Upper, Tolerance, Lower float64
	// Risk is how many standard deviations above what is expected must find room too.
	Risk float64
	// Horizon is for how long at most a bin is expected to sleep; what emptying it costs must come in within it.
	Horizon time.Duration
	// MaxMoves and MaxFree cap the moves of a plan and the bins that it frees.
	MaxMoves, MaxFree int
}

// Default is the policy of those who have decided nothing: a host is filled to 81 %, as many as want less than 45 % are emptied.
func Default() Policy {
	return Policy{Upper: 0.81, Tolerance: 0.09, Lower: 0.45, Risk: 2, Horizon: 6 * time.Hour, MaxMoves: 8, MaxFree: 1}
}

// Reason says what a move is for.
type Reason string

// The reasons.
const (
	// Relief is for a bin whose items want more than they may.
	Relief Reason = "its host is over its target"
	// Unserved is for an item that its bin cannot serve.
	Unserved Reason = "its host cannot serve it"
	// Emptying is for a bin that is to sleep.
	Emptying Reason = "its host is emptied"
)

// Plan is what would help. Every move is legal after those before it and does not count on the memory that they
// leave, so that they may also happen at the same time. No item moves twice.
type Plan struct {
	Moves []Move
	// Free lists the bins that are empty afterwards and could sleep, Wake those that have to be awake before.
	Free []Freed
	Wake []Woken
	// Over lists the bins whose items want more than they may, with or without help.
	Over []Overload
	// WattsBefore and WattsAfter are drawn by all bins with what is expected.
	WattsBefore, WattsAfter float64
}

// Move is the migration of one item.
type Move struct {
	Item, From, To int
	Reason         Reason
}

// Freed is a bin that could sleep.
type Freed struct {
	Bin   int
	Moves int
	// SavedWh is what it does not draw in Sleep, the time that its items would have kept it awake for; CostWh is what that takes.
	SavedWh, CostWh float64
	Sleep           time.Duration
}

// Woken is a bin that has to be awake because of an item of another.
type Woken struct {
	Bin, Item int
}

// Overload is a bin over its target.
type Overload struct {
	Bin int
	// Wanted is what its items want, and Limit what they may.
	Wanted, Limit float64
	// Left is by how much it is still over the limit after the plan.
	Left float64
}

// Make makes the plan: first what is over its target is relieved, then bins are emptied. There is no best order to
// empty them in that is known beforehand. A few are tried, and the plan that costs least within the horizon is taken.
func Make(c Cluster, p Policy) Plan {
	w := newWork(c, p)
	before := w.watts()
	w.relieve()
	w.serve()
	best, cost := w, w.cost()
	for _, o := range orders() {
		v := w.clone()
		v.empty(o)
		if found := v.cost(); found < cost {
			best, cost = v, found
		}
		v.forget(len(w.moves))
	}
	w.forget(0)
	slices.SortFunc(best.free, func(a, b Freed) int { return a.Bin - b.Bin })
	return Plan{Moves: best.moves, Free: best.free, Wake: best.wake, Over: w.overloads(), WattsBefore: before, WattsAfter: best.watts()}
}
