package engine

import (
	"sync/atomic"
	"testing"
	"time"
)

// What a target does not tell any more after a restart is over with its first scrape, and what it tells goes on.
func TestWhatIsGoneAfterARestartIsGone(t *testing.T) {
	t.Parallel()
	var restarted atomic.Bool
	address := exporter(t, func() string {
		if restarted.Load() {
			return "place{host=\"h2\"} 1\nstays 2\n"
		}
		return "place{host=\"h1\"} 1\nstays 1\n"
	})
	dir := t.TempDir()
	targets := []Target{{Job: "x", Address: address}}
	before := openEngine(t, Options{Dir: dir})
	stop := start(t, before)
	if err := before.SetTargets(targets); err != nil {
		t.Fatal(err)
	}
	eventually(t, client(t, before), `count(place{host="h1"})`, "{} 1")
	stop()
	restarted.Store(true)
	after := openEngine(t, Options{Dir: dir})
	c := client(t, after)
	if got := vector(t, c, `count(place{host="h1"})`, time.Now()); got != "{} 1" {
		t.Fatalf("what was told before the restart is gone before it can be known: %q", got)
	}
	start(t, after)
	if err := after.SetTargets(targets); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, `count(place{host="h2"})`, "{} 1")
	eventually(t, c, `place{host="h1"}`, "")
	eventually(t, c, `count(stays == 2)`, "{} 1")
}
