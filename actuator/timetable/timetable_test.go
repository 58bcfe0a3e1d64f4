package timetable

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/actuator/schedule"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// stage is a cluster of two hosts, an orders' desk and a disk.
type stage struct {
	mu      sync.Mutex
	orders  cluster.Orders
	said    []string
	called  []string
	book    schedule.Book
	saves   int
	broken  error
	unread  error
	running []cluster.VM
}

// with does something while nobody else does.
func (s *stage) with(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *stage) Orders() cluster.Orders {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders.InForce(time.Now())
}

// heard are the orders that were given and lifted, and the hosts that were called.
func (s *stage) heard() (orders, calls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.said), slices.Clone(s.called)
}

func (s *stage) Order(o cluster.Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, "order "+o.ID()+" by "+o.Word.Who)
	if s.broken != nil {
		return s.broken
	}
	s.orders = append(slices.DeleteFunc(s.orders, func(old cluster.Order) bool { return old.ID() == o.ID() }), o)
	return nil
}

func (s *stage) Lift(o cluster.Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, "lift "+o.ID())
	s.orders = slices.DeleteFunc(s.orders, func(old cluster.Order) bool { return old.ID() == o.ID() })
	return nil
}

func (s *stage) Call(host string, word cluster.Approval) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called = append(s.called, host+": "+word.Reason)
	for i := range s.orders {
		if s.orders[i].ID() == "standby host/"+host {
			s.orders[i].Word, s.orders[i].Rest.WakeAt = word, word.At
		}
	}
	return nil
}

func (s *stage) Proofs() []cluster.WakeProof {
	return []cluster.WakeProof{{Host: "h2", Woke: true, Seconds: 180}}
}

func (s *stage) Hosts() []cluster.HostWatch {
	list := []cluster.HostWatch{{Host: "h1", Verdict: "alive"}, {Host: "h2", Verdict: "alive"}}
	if s.Orders().Standby("h2", time.Now()) != nil {
		list[1].Verdict = "dead"
	}
	return list
}

func (s *stage) seen() cluster.Snapshot {
	snap := cluster.Snapshot{At: time.Now(), Hosts: []cluster.Host{{ID: "h1", State: cluster.HostUp}, {ID: "h2", State: cluster.HostUp}}}
	s.with(func() { snap.VMs = s.running })
	for i, h := range snap.Hosts {
		if s.Orders().Maintenance(h.ID, time.Now()) != nil {
			snap.Hosts[i].State = cluster.HostMaintenance
		}
	}
	return snap
}

func (s *stage) Load() (schedule.Book, error) { return s.book, s.unread }

func (s *stage) Save(b schedule.Book) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	s.book = b
	return s.broken
}

// serve runs a server until what it returns is called.
func (s *stage) serve(t *testing.T, list ...schedule.Schedule) (*Room, *prometheus.Registry, func()) {
	t.Helper()
	reg := prometheus.NewRegistry()
	r, err := New(s, s, s.seen, s, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	r.SetSchedules(list)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, reg, func() { cancel(); <-done }
}

type once time.Time

func (o once) Next(t time.Time) time.Time {
	if t.Before(time.Time(o)) {
		return time.Time(o)
	}
	return time.Time{}
}

// inAnHour is a schedule that comes once, in an hour, and lasts four.
func inAnHour(kind string, hosts ...string) schedule.Schedule {
	return schedule.Schedule{Name: "patches", Kind: kind, Hosts: hosts, Window: cluster.Window{Begins: once(time.Now().Add(time.Hour)), Lasts: 4 * time.Hour}}
}

func TestAScheduledMaintenanceIsEndedByAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{running: []cluster.VM{{ID: "v1", Name: "web1", Host: "h1", State: cluster.VMRunning}}}
		patches := inAnHour(cluster.ScheduleMaintenance, "h1")
		r, reg, stop := s.serve(t, patches)
		time.Sleep(time.Hour + 30*time.Second)
		o := s.Orders().Maintenance("h1", time.Now())
		if o == nil || o.Word.Who != "schedule patches" || o.Word.Via != cluster.ViaSchedule || !o.Until.Equal(time.Time(patches.Begins.(once)).Add(4*time.Hour)) {
			t.Fatalf("%+v", o)
		}
		if st := r.Schedules()[0]; st.Result != "open" || st.Reason != "h1 is not empty: web1" {
			t.Errorf("%+v", st)
		}
		if n, err := testutil.GatherAndCount(reg, "evenkeel_schedule_open", "evenkeel_schedule_last_success", "evenkeel_schedule_last_timestamp_seconds"); n != 1 || err != nil {
			t.Errorf("%d samples, %v", n, err)
		}
		s.with(func() { s.running = nil })
		time.Sleep(10 * time.Second)
		stop()
		time.Sleep(time.Hour)
		_, _, stop = s.serve(t, patches)
		time.Sleep(time.Minute)
		if said, _ := s.heard(); len(said) != 1 {
			t.Errorf("the next server orders it once more: %q", said)
		}
		stop()
		time.Sleep(4 * time.Hour)
		r, reg, stop = s.serve(t, patches)
		defer stop()
		time.Sleep(time.Minute)
		if len(s.Orders()) != 0 {
			t.Errorf("it is in maintenance still: %+v", s.Orders())
		}
		if st := r.Schedules()[0]; st.Result != "done" || st.Reason != "" {
			t.Errorf("%+v", st)
		}
		want := "# HELP evenkeel_schedule_last_success Whether the schedule did what it is there for the last time that it came (1), or failed or was missed (0); absent before the first time has ended.\n# TYPE evenkeel_schedule_last_success gauge\nevenkeel_schedule_last_success{schedule=\"patches\"} 1\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_schedule_last_success"); err != nil {
			t.Error(err)
		}
	})
}

func TestAHostThatSleepsIsCalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asleep := cluster.Order{Kind: cluster.OrderStandby, Subject: "host/h2", Word: cluster.Approval{Who: "ann", At: time.Now()}, Rest: cluster.Rest{Down: time.Now(), Asleep: time.Now()}}
		s := &stage{orders: cluster.Orders{asleep}}
		back := inAnHour(cluster.ScheduleWake, "h2")
		back.Lead = 12 * time.Minute
		_, _, stop := s.serve(t, back)
		defer stop()
		time.Sleep(time.Hour - 5*time.Minute - 6*time.Second)
		if _, called := s.heard(); len(called) != 0 {
			t.Errorf("it was called too early: %q", called)
		}
		time.Sleep(time.Minute)
		if _, called := s.heard(); len(called) != 1 || !strings.Contains(called[0], "h2: schedule patches wants it back by ") {
			t.Errorf("%q", called)
		}
	})
}

func TestWhatCannotBeDoneIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{broken: errors.New("the disk is full")}
		r, _, stop := s.serve(t, inAnHour(cluster.ScheduleMaintenance, "h1"))
		defer stop()
		time.Sleep(time.Hour + time.Minute)
		if st := r.Schedules()[0]; st.Reason != "h1 is not in maintenance; h1: the disk is full" || len(s.Orders()) != 0 {
			t.Errorf("%+v", st)
		}
		s.with(func() { s.broken = nil })
		time.Sleep(time.Minute)
		if st := r.Schedules()[0]; st.Reason != "" || len(s.Orders()) != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestNothingIsWrittenWhereNothingIsScheduled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		_, _, stop := s.serve(t)
		time.Sleep(time.Hour)
		stop()
		if s.saves != 0 {
			t.Errorf("written %d times", s.saves)
		}
		_, _, stop = s.serve(t, inAnHour(cluster.ScheduleLevel))
		time.Sleep(10 * time.Minute)
		stop()
		if s.saves < 5 || s.saves > 15 {
			t.Errorf("written %d times in ten minutes", s.saves)
		}
	})
}

func TestAScheduleThatWasTakenAwayEndsItsMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		r, _, stop := s.serve(t, inAnHour(cluster.ScheduleMaintenance, "h1"))
		defer stop()
		time.Sleep(2 * time.Hour)
		r.SetSchedules(nil)
		time.Sleep(time.Minute)
		if said, _ := s.heard(); len(s.Orders()) != 0 || len(said) != 2 {
			t.Errorf("%+v %q", s.Orders(), said)
		}
	})
}

func TestABookThatCannotBeReadIsSaid(t *testing.T) {
	s := &stage{unread: errors.New("schedules.json: unexpected end")}
	if _, err := New(s, s, s.seen, s, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), "schedules.json") {
		t.Errorf("%v", err)
	}
}

func TestWhatAPersonEndsInTheWindowStaysEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		patches := inAnHour(cluster.ScheduleMaintenance, "h1")
		_, _, stop := s.serve(t, patches)
		time.Sleep(time.Hour + time.Minute)
		if err := s.Lift(s.Orders()[0]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		stop()
		r, _, stop := s.serve(t, patches) // the next server knows it too
		defer stop()
		time.Sleep(time.Hour)
		if said, _ := s.heard(); len(s.Orders()) != 0 || len(said) != 2 {
			t.Errorf("%q", said)
		}
		time.Sleep(2 * time.Hour)
		if st := r.Schedules()[0]; st.Result != "done" || !st.Ended.After(st.Last) {
			t.Errorf("it was empty for a minute: %+v", st)
		}
	})
}
