package actuator

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Everything that can be asked is asked at once, by many, on the real clock: nothing may hang and nothing may race.
func TestManyAskAtOnce(t *testing.T) {
	s := newStage()
	s.migrate = func(_ context.Context, a cluster.Action) error { s.set(a.VM, a.To); return nil }
	reg := prometheus.NewRegistry()
	a, err := New(s, s, s, s, earning(), slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	s.advise("v1", time.Hour)
	s.advise("v2", time.Hour)
	every := func(f func(id string)) {
		for range 2 {
			wg.Go(func() {
				for ctx.Err() == nil {
					for _, c := range a.List(func(c cluster.Case) bool { return c.State.Pending() || c.State == cluster.CaseDone }) {
						f(c.Recommendation.ID)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
	every(func(id string) { _ = approve(a, id) })
	every(func(id string) { _, _ = a.Snooze(id, said("bob"), time.Now().Add(time.Second)) })
	every(func(id string) { _, _ = a.Gates(ctx, id) })
	every(func(string) { _ = a.Order(pauseOf("vm/v2")); _ = a.Lift(pauseOf("vm/v2")) })
	every(func(string) { a.Promises(); a.Standings(); a.Orders() })
	every(func(string) { a.SetPolicy(earning()); _ = a.Renew(time.Now()) })
	every(func(string) {
		if _, err := reg.Gather(); err != nil {
			t.Error(err)
		}
	})
	go func() { // a second of it, and on a slow machine until something came through between the snoozes
		for begun := time.Now(); ctx.Err() == nil && (time.Since(begun) < time.Second || len(s.moves()) == 0); {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("something hangs")
	}
	if len(s.moves()) == 0 {
		t.Error("nothing was moved")
	}
}
