package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// mapAt is the page of the map at a time.
type mapAt struct {
	// Span is what the slider covers, Spans what it can.
	Span  spanOf
	Spans []spanOf
	// End is the time at the slider's right end, Ago how far left of it At is, in seconds and below zero.
	End time.Time
	Ago int
	At  time.Time
	// Still tells that a time was chosen: what is shown does not change any more.
	Still bool
	// Typed is what stands in the field for a time.
	Typed string
	Query string
	// Earlier, Later and Now are links to other times.
	Earlier, Later, Now string
	// Unseen says why the cluster cannot be seen.
	Unseen string
	// Blank tells that nothing at all is known of the time.
	Blank  bool
	Tiles  []place
	Hidden int
	Total  int
	// Nowhere are VMs that run on no host that is known.
	Nowhere []chip
	// Around are the moves about the time; Unmoved says why they are not known.
	Around  cluster.Movements
	Unmoved string
	// MoreMoves is how many are not listed.
	MoreMoves int
	// From and To are what is compared.
	From, To string
	Changes  *cluster.Movements
	// Counts are how many VMs moved, arrived and left; of each the first are listed.
	Counts [3]int
}

// spanOf is what the slider covers.
type spanOf struct {
	Name, Label string
	Seconds     int
	// Step is from one position of the slider to the next.
	Step int
	// Window is how far about the time moves are listed.
	Window time.Duration
	Ticks  []tick
}

// tick is a mark below the slider.
type tick struct {
	Ago   int
	Label string
}

func reaches() []spanOf {
	list := []spanOf{
		{Name: "hour", Label: "the last hour", Seconds: 3600, Step: 10, Window: 10 * time.Minute},
		{Name: "day", Label: "the last 24 hours", Seconds: 24 * 3600, Step: 60, Window: time.Hour},
		{Name: "week", Label: "the last 7 days", Seconds: 7 * 24 * 3600, Step: 600, Window: 6 * time.Hour},
	}
	labels := [][]string{{"an hour ago", "45 min", "30 min", "15 min", "now"}, {"24 hours ago", "18 h", "12 h", "6 h", "now"}, {"7 days ago", "6", "5", "4", "3", "2", "1 day", "now"}}
	for i := range list {
		parts := len(labels[i]) - 1
		for j, label := range labels[i] {
			list[i].Ticks = append(list[i].Ticks, tick{Ago: -list[i].Seconds + j*list[i].Seconds/parts, Label: label})
		}
	}
	return list
}

// place is a host as it was.
type place struct {
	Name, State, Note string
	VMs               int
	Chips             []chip
	More              int
	found             bool
}

// chip is a VM on it.
type chip struct {
	ID, Name, State string
	// Note says why this is not certain.
	Note  string
	Found bool
}

// mostChips is how many VMs a host shows, and mostMoves how many moves are listed.
const mostChips, mostMoves = 60, 200

func (c *Console) pastMap(r *http.Request, p person) (name, title, here string, body any, err error) {
	now := time.Now().Truncate(time.Second)
	v, err := readPast(r.URL.Query(), now)
	if err != nil {
		return "", "", "", nil, &api.RefusedError{Status: http.StatusBadRequest, Problem: api.Problem{Error: err.Error()}}
	}
	snapshot, err := v.look(r, p)
	if refused := (*api.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable {
		v.Unseen = err.Error()
		return "map", "Map", "map", v, nil
	}
	if err != nil {
		return "", "", "", nil, err
	}
	v.draw(snapshot)
	until := v.At.Add(v.Span.Window)
	if until.After(now) {
		until = now
	}
	if v.Around, err = p.client.Moves(r.Context(), v.At.Add(-v.Span.Window), until, ""); err != nil {
		v.Unmoved = err.Error()
	}
	v.Around.Moves = slices.DeleteFunc(v.Around.Moves, func(m cluster.Move) bool { return !v.finds(m.Name) && !v.finds(m.From) && !v.finds(m.To) })
	v.Around.Moves, v.MoreMoves = firstOf(v.Around.Moves, mostMoves)
	if v.From != "" {
		return v.compared(r, p, now)
	}
	return "map", "Map", "map", v, nil
}

// compared adds what changed between the two times.
func (v *mapAt) compared(r *http.Request, p person, now time.Time) (name, title, here string, body any, err error) {
	from, err := moment(v.From, now)
	if err == nil {
		var changes cluster.Movements
		if changes, err = p.client.Moves(r.Context(), from, v.At, ""); err == nil {
			v.Changes, v.Counts = &changes, [3]int{len(changes.Moves), len(changes.Arrived), len(changes.Left)}
			for _, list := range []*[]cluster.Move{&changes.Moves, &changes.Arrived, &changes.Left} {
				*list, _ = firstOf(*list, mostMoves)
			}
		}
	} else {
		err = &api.RefusedError{Status: http.StatusBadRequest, Problem: api.Problem{Error: "from: " + err.Error()}}
	}
	return "map", "Map", "map", v, err
}

// readPast reads which time is meant: one that was typed, the second of two to compare, or a place of the slider.
func readPast(q url.Values, now time.Time) (*mapAt, error) {
	v := &mapAt{Spans: reaches(), End: now, Query: strings.TrimSpace(q.Get("q")), From: strings.TrimSpace(q.Get("from")), To: strings.TrimSpace(q.Get("to"))}
	v.Span = v.Spans[1]
	for _, s := range v.Spans {
		if s.Name == q.Get("span") {
			v.Span = s
		}
	}
	typed := cmp.Or(strings.TrimSpace(q.Get("at")), v.To)
	var err error
	switch {
	case typed != "":
		v.At, err = moment(typed, now)
	case q.Get("ago") != "":
		v.At, err = v.slid(q.Get("end"), q.Get("ago"), now)
	default:
		v.At = now
	}
	if err != nil {
		return nil, err
	}
	if v.At.After(now) {
		return nil, fmt.Errorf("at: %s is in the future; the map shows what was", v.At.Format(time.RFC3339))
	}
	if v.From != "" && v.To == "" {
		v.To = written(v.At)
	}
	v.Still = typed != "" || v.At.Before(v.End) || v.From != ""
	v.Ago = max(-v.Span.Seconds, int(v.At.Sub(v.End).Seconds()))
	v.Ago -= v.Ago % v.Span.Step
	v.Typed = written(v.At)
	v.Earlier, v.Later, v.Now = v.link(v.At.Add(-time.Hour)), v.link(v.At.Add(time.Hour)), "/map?span="+v.Span.Name
	if v.At.Add(time.Hour).After(now) {
		v.Later = v.Now
	}
	return v, nil
}

// slid is the time at a place of the slider.
func (v *mapAt) slid(end, ago string, now time.Time) (time.Time, error) {
	seconds, err := strconv.Atoi(ago)
	if err != nil || seconds > 0 || seconds < -366*24*3600 {
		return now, fmt.Errorf("ago: %q is no number of seconds, 0 or less", ago)
	}
	if t, err := time.Parse(time.RFC3339, end); err == nil && t.Before(now) && seconds < 0 {
		v.End = t // the place of the slider means the same when the page is loaded again
	}
	return v.End.Add(time.Duration(seconds) * time.Second), nil
}

// link leads to the map at another time.
func (v *mapAt) link(at time.Time) string {
	return "/map?" + url.Values{"at": {at.UTC().Format(time.RFC3339)}, "span": {v.Span.Name}}.Encode()
}

// typedTime is how a time is written in fields: the server's own.
const typedTime = "2006-01-02 15:04:05"

func written(t time.Time) string { return t.Local().Format(typedTime) }

// moment reads a time as people write it: RFC 3339, the server's local time, or an age.
func moment(text string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.RFC3339, typedTime, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	return now, fmt.Errorf("%q is no time; write it like 2006-01-02 15:04, like 2006-01-02T15:04:05Z, or as an age like 2h", text)
}

// look takes the snapshot of the time, the newest one that was judged where none was chosen.
func (v *mapAt) look(r *http.Request, p person) (cluster.Snapshot, error) {
	if !v.Still {
		board, err := p.client.Board(r.Context())
		return board.Snapshot, err
	}
	raw, err := p.client.Snapshot(r.Context(), v.At)
	if err != nil {
		return cluster.Snapshot{}, err
	}
	return cluster.DecodeSnapshot(raw)
}

// draw makes the tiles: all by name or, where something is looked for, what has it.
func (v *mapAt) draw(s cluster.Snapshot) {
	v.Blank = len(s.VMs) == 0
	at := map[string]int{}
	var all []place
	for _, h := range s.Hosts {
		at[h.ID] = len(all)
		all = append(all, place{Name: h.ID, State: h.State.String(), Note: s.GapOf(cluster.HostSubject(h.ID)), found: v.finds(h.ID)})
		v.Blank = v.Blank && h.State == cluster.HostUnknown
	}
	vms := slices.Clone(s.VMs)
	slices.SortFunc(vms, func(x, y cluster.VM) int { return cmp.Or(cmp.Compare(x.Label(), y.Label()), cmp.Compare(x.ID, y.ID)) })
	for _, vm := range vms {
		one := chip{ID: vm.ID, Name: vm.Label(), State: vm.State.String(), Note: s.GapOf(cluster.VMSubject(vm.ID)), Found: v.Query != "" && v.finds(vm.Label())}
		i, known := at[vm.Host]
		if !known {
			v.Nowhere = append(v.Nowhere, one)
			continue
		}
		all[i].add(one)
	}
	v.Total = len(all)
	all = slices.DeleteFunc(all, func(t place) bool { return !t.found })
	v.Tiles, v.Hidden = firstOf(all, mostTiles)
	v.Nowhere, _ = firstOf(v.Nowhere, mostFindings)
}

// add puts a VM on the host. One that is looked for is shown in any case.
func (t *place) add(one chip) {
	t.VMs++
	t.found = t.found || one.Found
	if len(t.Chips) < mostChips || one.Found && len(t.Chips) < 2*mostChips {
		t.Chips = append(t.Chips, one)
		return
	}
	t.More++
}

func (v *mapAt) finds(name string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(v.Query))
}

// Words says the time in words.
func (v *mapAt) Words() string {
	if !v.Still {
		return "now"
	}
	return clock(v.At) + ", " + since(v.End.Sub(v.At))
}

// short tells that moves are known from later on only than was asked for.
func short(m cluster.Movements) bool {
	return !m.SeenFrom.IsZero() && m.SeenFrom.Sub(m.From).Seconds() > 2*m.StepSeconds+1
}

// since says how long ago something was, in words.
func since(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes, seconds := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	var parts []string
	for _, one := range []struct {
		n    int
		unit string
	}{{days, "day"}, {hours, "hour"}, {minutes, "minute"}, {seconds, "second"}} {
		if one.n > 0 && len(parts) < 2 {
			parts = append(parts, plural(one.n, one.unit))
		}
	}
	if len(parts) == 0 {
		return "just now"
	}
	return strings.Join(parts, " and ") + " ago"
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}
