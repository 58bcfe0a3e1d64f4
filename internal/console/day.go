package console

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// The drawing of a day: how wide and high it is, where its hours begin, and how high one of its lanes is.
const (
	dayWidth, dayLeft, dayTop, laneHeight = 960.0, 90.0, 6.0, 26.0
	dayEnd                                = dayWidth - 10
)

// day is the last 24 hours as a drawing: a lane for each kind of action, a mark for each that was done, and one for orders.
type day struct {
	Width, Height, Left, End float64
	// Bottom is where the lines of the hours end, Foot where their times stand.
	Bottom, Foot float64
	Lanes        []lane
	Hours        []hour
	Summary      string
}

// lane is one kind of action.
type lane struct {
	Name  string
	Y     float64
	Marks []mark
}

// mark is one action, by the time when it ended, or an order.
type mark struct {
	Link, Title, Class string
	X, Y               float64
}

// add puts a mark into the lane, so that what happened at one time does not cover one another.
func (l *lane) add(m mark) {
	m.Y = l.Y + []float64{0, -8, 8}[len(l.Marks)%3]
	l.Marks = append(l.Marks, m)
}

// hour is a line with a time.
type hour struct {
	X    float64
	Word string
}

// laneOf is in which lane an action is drawn.
func laneOf(a cluster.Action, policy string) int {
	switch {
	case a.Kind == cluster.Fence || a.Kind == cluster.Forget || policy == cluster.Restart:
		return 3
	case a.Kind == cluster.Migrate || a.Kind == cluster.MoveStorage:
		return 0
	case a.Kind == cluster.Standby || a.Kind == cluster.Wake || a.Kind == cluster.Maintenance:
		return 2
	}
	return 1
}

// newDay draws what ended, and what was ordered, within the 24 hours before now.
func newDay(ended []cluster.Case, said []cluster.JournalLine, now time.Time) day {
	d := day{Width: dayWidth, Left: dayLeft, End: dayEnd, Lanes: []lane{{Name: "Moves"}, {Name: "VMs"}, {Name: "Hosts"}, {Name: "Failures"}, {Name: "Orders"}}}
	for i := range d.Lanes {
		d.Lanes[i].Y = dayTop + laneHeight*(float64(i)+0.5)
	}
	d.Bottom = dayTop + laneHeight*float64(len(d.Lanes))
	d.Foot, d.Height = d.Bottom+14, d.Bottom+20
	begin := now.Add(-24 * time.Hour)
	at := func(t time.Time) float64 {
		return math.Round(10*(dayLeft+(dayEnd-dayLeft)*float64(t.Sub(begin))/float64(24*time.Hour))) / 10
	}
	for t := begin.Truncate(time.Hour).Add(time.Hour); t.Before(now); t = t.Add(time.Hour) {
		one := hour{X: at(t)}
		if t.Local().Hour()%3 == 0 {
			one.Word = t.Local().Format("15:04")
		}
		d.Hours = append(d.Hours, one)
	}
	bad := 0
	for _, c := range ended {
		r := c.Recommendation
		l := &d.Lanes[laneOf(r.Action, r.Policy)]
		m := mark{Link: "/recommendations/" + url.PathEscape(r.ID), X: at(c.Updated), Class: "done", Title: fmt.Sprintf("%s: %s, %s", clock(c.Updated), r.Action, c.State)}
		if c.State != cluster.CaseDone {
			m.Class = "undone"
			bad++
		}
		l.add(m)
	}
	for _, e := range said {
		d.Lanes[len(d.Lanes)-1].add(mark{Link: "/journal?before=" + strconv.FormatUint(e.Seq+1, 10), X: at(e.At), Class: "ordered", Title: clock(e.At) + ": " + e.What})
	}
	d.Summary = fmt.Sprintf("%d actions, %d of them not done", len(ended), bad)
	for _, l := range d.Lanes {
		d.Summary += fmt.Sprintf("; %s: %d", l.Name, len(l.Marks))
	}
	return d
}
