// Package timetable is the loop that does what the schedules ask for and writes down what came of them. What that is judges
// package schedule. It reaches hosts through what people use as well: orders, and the time at which a sleeping host is to be
// woken. What is forbidden in a window, and the levels that are in force in one, the gates read off the clock themselves.
package timetable

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/actuator/schedule"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Desk is where orders are given.
type Desk interface {
	Orders() cluster.Orders
	Order(o cluster.Order) error
	Lift(o cluster.Order) error
	// Call says that a host that evenkeel turned off is to be woken now.
	Call(host string, word cluster.Approval) error
	Proofs() []cluster.WakeProof
}

// Watch says what has become of the hosts.
type Watch interface {
	Hosts() []cluster.HostWatch
}

// Store keeps the book for the next start.
type Store interface {
	Load() (schedule.Book, error)
	Save(schedule.Book) error
}

const (
	// tick is the time from one look at the schedules to the next.
	tick = 5 * time.Second
	// writeAgain is after how long the book is written although nothing has happened, so that the next start knows since when
	// nobody looked.
	writeAgain = time.Minute
)

// Room is the loop. It is safe for concurrent use.
type Room struct {
	desk  Desk
	watch Watch
	seen  func() cluster.Snapshot
	store Store
	log   *slog.Logger

	mu   sync.Mutex
	list []schedule.Schedule
	book schedule.Book
	// Only the loop uses what follows.
	written string
	wroteAt time.Time
}

// New returns a room that knows what is written down. The last snapshot that was judged is what seen returns.
func New(desk Desk, watch Watch, seen func() cluster.Snapshot, store Store, log *slog.Logger, reg prometheus.Registerer) (*Room, error) {
	r := &Room{desk: desk, watch: watch, seen: seen, store: store, log: log}
	var err error
	if r.book, err = store.Load(); err != nil {
		return nil, err
	}
	r.written = r.book.Gist()
	reg.MustRegister(newCollector(r))
	return r, nil
}

// SetSchedules replaces the schedules.
func (r *Room) SetSchedules(list []schedule.Schedule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = list
}

// Schedules says how each schedule stands, in the order of the configuration.
func (r *Room) Schedules() []cluster.ScheduleState {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	list := make([]cluster.ScheduleState, 0, len(r.list))
	for _, s := range r.list {
		list = append(list, s.State(r.book, now))
	}
	return list
}

// Run works until ctx ends.
func (r *Room) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		r.look(time.Now())
		select {
		case <-ctx.Done():
		case <-time.After(tick):
		}
	}
	return nil
}

// look does what is to be done now, and writes down what is known then.
func (r *Room) look(now time.Time) {
	r.mu.Lock()
	list, book := r.list, r.book
	r.mu.Unlock()
	next, steps := schedule.Look(list, book, r.hosts(list, now), now)
	r.tell(list, book, next)
	for _, step := range steps {
		why := ""
		err := r.do(step, now)
		if err != nil {
			why = err.Error()
		}
		var fresh bool
		if next, fresh = next.Note(step, why); fresh && err != nil {
			r.log.Error("a schedule asks for what could not be done", "schedule", step.Schedule, "step", string(step.Do), "host", step.Host, "err", err)
		}
	}
	r.mu.Lock()
	r.book = next
	r.mu.Unlock()
	r.write(next, now)
}

// do takes a step in the schedule's name.
func (r *Room) do(step schedule.Step, now time.Time) error {
	word := cluster.Approval{Who: who(step.Schedule), Via: cluster.ViaSchedule, At: now, Reason: step.Why}
	order := cluster.Order{Kind: cluster.OrderMaintenance, Subject: cluster.HostSubject(step.Host), Word: word, Until: step.Until}
	switch step.Do {
	case schedule.Call:
		return r.desk.Call(step.Host, word)
	case schedule.Enter:
		return r.desk.Order(order)
	case schedule.Leave:
		return r.desk.Lift(order)
	}
	return fmt.Errorf("nobody knows how to %s", step.Do)
}

// who is what a schedule is called where people have their names.
func who(name string) string { return "schedule " + name }

// hosts says how the hosts stand that are known, and those that the schedules name.
func (r *Room) hosts(list []schedule.Schedule, now time.Time) []schedule.Host {
	if len(list) == 0 && !slices.ContainsFunc(r.desk.Orders(), ofSchedule) {
		return nil
	}
	orders, snap, proofs := r.desk.Orders(), r.seen(), r.desk.Proofs()
	var hosts []schedule.Host
	for _, w := range r.watch.Hosts() {
		h := schedule.Host{Name: w.Host, On: w.Verdict == "alive"}
		if o := orders.Standby(w.Host, now); o != nil {
			h.Asleep, h.Called = !o.Rest.Asleep.IsZero(), o.Rest.Due(now)
		}
		if o := orders.Maintenance(w.Host, now); o != nil {
			h.Kept, h.Until = true, o.Until
			h.Left, h.Looked = left(snap, w.Host, o.Word.At)
			if ofSchedule(*o) {
				h.By = strings.TrimPrefix(o.Word.Who, who(""))
			}
		}
		for _, p := range proofs {
			if p.Host == w.Host && p.Woke {
				h.WakeTook = time.Duration(p.Seconds * float64(time.Second))
			}
		}
		hosts = append(hosts, h)
	}
	return hosts
}

func ofSchedule(o cluster.Order) bool {
	return o.Kind == cluster.OrderMaintenance && o.Word.Via == cluster.ViaSchedule
}

// left are the VMs that run on the host, by a snapshot that knows of the order.
func left(s cluster.Snapshot, host string, since time.Time) (vms []string, looked bool) {
	h, known := s.Host(host)
	if !known || h.State != cluster.HostMaintenance || s.At.Before(since) || s.GapOf(cluster.HostSubject(host)) != "" {
		return nil, false
	}
	for _, v := range s.VMs {
		if v.Host == host && v.State.Active() {
			vms = append(vms, v.Label())
		}
	}
	return vms, true
}

// tell logs what begins and what came of what has ended.
func (r *Room) tell(list []schedule.Schedule, was, is schedule.Book) {
	for _, s := range list {
		old, page := was.Pages[s.Name], is.Pages[s.Name]
		if e := page.Last; e != nil && (old.Last == nil || !e.At.Equal(old.Last.At) || !e.Known.Equal(old.Last.Known)) {
			r.log.Info("a schedule's window is over", "schedule", s.Name, "kind", s.Kind, "at", e.At, "result", e.Result, "reason", e.Reason)
		}
		if o := page.Open; o != nil && (old.Open == nil || !o.At.Equal(old.Open.At)) {
			r.log.Info("a schedule's window is open", "schedule", s.Name, "kind", s.Kind, "until", o.End, "late", o.Late)
		}
	}
}

// write has the book kept where there is news in it, or it was written long ago.
func (r *Room) write(book schedule.Book, now time.Time) {
	gist := book.Gist()
	if gist == r.written && now.Sub(r.wroteAt) < writeAgain || len(book.Pages) == 0 && gist == r.written {
		return
	}
	if err := r.store.Save(book); err != nil {
		r.log.Error("what came of the schedules is not written down, trying again", "err", err)
		return
	}
	r.written, r.wroteAt = gist, now
}
