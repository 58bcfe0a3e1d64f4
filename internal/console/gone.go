package console

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

const (
	// hostMoves is how far back a host's moves are looked for, vmMoves a VM's: a host's are found among those of all VMs.
	hostMoves, vmMoves = 24 * time.Hour, 7 * 24 * time.Hour
	// longestBack is how far back the API looks for moves.
	longestBack = 31 * 24 * time.Hour
	// mostTravels is how many of them a page lists.
	mostTravels = 30
)

// travels are the moves that a page lists, by whomever.
type travels struct {
	cluster.Movements
	// All is how many there are, More how many of them are not listed.
	All, More int
	// Unknown says why they are not known.
	Unknown string
}

// travels are the moves between two times that are wanted; key is the UUID of one VM, or empty for all. The looks are the closer the shorter the time
// is; so where less is known than was asked for, that is asked for again.
func (p person) travels(r *http.Request, from, to time.Time, key string, want func(cluster.Move) bool) travels {
	m, err := p.client.Moves(r.Context(), from, to, key)
	if err == nil {
		first := to // it may be known for less long than one look takes
		if !m.SeenFrom.IsZero() {
			first = m.SeenFrom
		}
		step := time.Duration(m.StepSeconds * float64(time.Second)).Truncate(time.Second)
		if known := first.Add(-step); step > 0 && known.Sub(from) > to.Sub(from)/4 {
			m, err = p.client.Moves(r.Context(), known, to, key)
		}
	}
	if err != nil {
		return travels{Unknown: err.Error()}
	}
	t := travels{Movements: m}
	t.Moves = nil
	for _, one := range m.Moves {
		if want(one) {
			t.Moves = append(t.Moves, one)
		}
	}
	t.All = len(t.Moves)
	t.Moves, t.More = firstOf(t.Moves, mostTravels)
	return t
}

// gone is the page of a VM that no host has any more.
type gone struct {
	ID, Name string
	// At is when the cluster was looked at without finding it.
	At time.Time
	// Seen is when it was last seen running, Where on which host; Unseen says why that is not known.
	Seen   time.Time
	Where  string
	Unseen string
	// Travels are the moves of its last days.
	Travels travels
	// Cases are what is advised or under way about it still, Ended what happened to it, MoreEnded that there is more of that.
	Cases, Ended []cluster.Case
	MoreEnded    bool
	// Entries are the newest of the journal about it, Unkept says why there are none; MoreEntries that there are more.
	Entries     []cluster.JournalLine
	Unkept      string
	MoreEntries bool
	// Definitions are the versions of what it was defined by that are kept.
	Definitions []cluster.Definition
}

// gone tells of a VM that is not there what is known of its past. One of which nothing is known, nobody ever had.
func (c *Console) gone(r *http.Request, p person, id string, at time.Time) (name, title, here string, body any, err error) {
	ctx := r.Context()
	v := gone{ID: id, At: at}
	for _, one := range p.Cases {
		if one.Recommendation.Action.VM == id {
			v.Cases = append(v.Cases, one)
		}
	}
	if v.Ended, v.MoreEnded, err = p.ended(r, id); err != nil {
		return "", "", "", nil, err
	}
	page, err := p.client.Journal(ctx, api.JournalQuery{About: id, Limit: mostEnded})
	if err != nil {
		v.Unkept = err.Error()
	}
	v.Entries, v.MoreEntries = page.Entries, page.Before > 0
	if v.Seen, err = p.lastSeen(ctx, id); err != nil {
		v.Unseen = err.Error()
	}
	if v.Seen.IsZero() && len(v.Cases)+len(v.Ended)+len(v.Entries) == 0 {
		return "", "", "", nil, absent("VM", id)
	}
	if !v.Seen.IsZero() {
		v.Travels = p.travels(r, v.Seen.Add(-vmMoves), v.Seen, id, func(m cluster.Move) bool { return m.VM == id })
		v.place(ctx, p)
	}
	if v.Definitions, err = p.client.Definitions(ctx, id); err == nil && len(v.Definitions) > 0 { // they need not be kept
		v.Name = cmp.Or(v.Name, v.Definitions[0].Name)
	}
	for _, one := range v.Ended {
		if one.Recommendation.Action.VM == id {
			v.Name = cmp.Or(v.Name, one.Recommendation.Action.Name)
		}
	}
	v.Name = cmp.Or(v.Name, id)
	return "gone", v.Name, "overview", v, nil
}

// place finds out where it was when it was seen last, and what it was called.
func (v *gone) place(ctx context.Context, p person) {
	if len(v.Travels.Moves) > 0 { // the newest is the first
		v.Where, v.Name = v.Travels.Moves[0].To, v.Travels.Moves[0].Name
	}
	places, err := p.client.Where(ctx, v.ID, v.Seen)
	if err != nil {
		return // the last move says it as well, where there is one
	}
	for _, one := range places {
		if one.VM == v.ID {
			v.Where, v.Name = cmp.Or(one.Host, v.Where), cmp.Or(one.Name, v.Name)
		}
	}
}

// lastSeen is when a VM was last seen running, zero where it was not in as long a time as can be asked about. It is looked for coarsely, and again
// about the time that this finds.
func (p person) lastSeen(ctx context.Context, id string) (time.Time, error) {
	now := time.Now().Truncate(time.Second)
	for _, back := range []time.Duration{24 * time.Hour, longestBack} {
		m, err := p.client.Moves(ctx, now.Add(-back), now, id)
		if err != nil {
			return time.Time{}, err
		}
		if m.SeenTo.IsZero() {
			continue
		}
		end := m.SeenTo.Add(time.Duration(m.StepSeconds * float64(time.Second)))
		if fine, err := p.client.Moves(ctx, m.SeenTo, end, id); err == nil && !fine.SeenTo.IsZero() {
			return fine.SeenTo, nil
		}
		return m.SeenTo, nil
	}
	return time.Time{}, nil
}
