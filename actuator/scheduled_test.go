package actuator

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/actuator/schedule"
	"github.com/evenkeel/evenkeel/actuator/timetable"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// shelf keeps the book of the schedules.
type shelf struct{ book schedule.Book }

func (s *shelf) Load() (schedule.Book, error) { return s.book, nil }

func (s *shelf) Save(b schedule.Book) error {
	s.book = b
	return nil
}

// keep runs a timetable with the one schedule beside the actuator until what it returns is called.
func (d *dormitory) keep(t *testing.T, a *Actuator, books *shelf, s schedule.Schedule) (*timetable.Room, func()) {
	t.Helper()
	room, err := timetable.New(a, d, func() cluster.Snapshot { return cluster.Snapshot{} }, books, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	room.SetSchedules([]schedule.Schedule{s})
	p := a.currentPolicy()
	p.Gate.Awake = []cluster.Awake{{Name: s.Name, Window: s.Window, Hosts: s.Hosts}}
	a.SetPolicy(p)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- room.Run(ctx) }()
	return room, func() { cancel(); <-done }
}

// h3 is asleep, the server is down when the window begins, and the next one wakes it, keeps it awake to the end of the window and no longer.
func TestAHostIsAwakeInItsWindowWhateverBecomesOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, books := newDormitory(), &shelf{}
		a := d.proven(t)
		d.ask(t, a, cluster.Action{Kind: cluster.Standby})
		time.Sleep(2 * time.Minute)
		begins := time.Now().Add(time.Hour)
		office := schedule.Schedule{Name: "office hours", Kind: cluster.ScheduleNeverSleep, Hosts: []string{"h3"}, Window: cluster.Window{Begins: once(begins), Lasts: 2 * time.Hour}}
		_, stop := d.keep(t, a, books, office)
		time.Sleep(30 * time.Minute)
		if d.is().on {
			t.Fatal("it was woken before its time")
		}
		stop()
		d.end()
		time.Sleep(time.Hour)
		a = d.serve(t)
		room, stop := d.keep(t, a, books, office)
		defer stop()
		time.Sleep(2 * time.Minute)
		if st := room.Schedules()[0]; !d.is().up || len(a.Orders()) > 0 || st.Result != cluster.ScheduleOpen || !strings.Contains(st.Reason, "began late at ") {
			t.Fatalf("up %t, orders %+v, %+v", d.is().up, a.Orders(), st)
		}
		ask := func() error {
			r := cluster.Recommendation{Policy: "standby", Priority: 2, Action: cluster.Action{Kind: cluster.Standby, From: "h3"}, Made: time.Now(), Expires: time.Now().Add(time.Hour)}.Identified()
			_, err := a.Request(context.Background(), r, said("bob"))
			return err
		}
		if err := ask(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "schedule office hours keeps h3 awake until") {
			t.Errorf("in the window: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if st := room.Schedules()[0]; st.Result != cluster.ScheduleDone {
			t.Errorf("%+v", st)
		}
		if err := ask(); err != nil {
			t.Errorf("after it: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if d.is().on {
			t.Error("it does not sleep after the window")
		}
	})
}
