package actuator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// A recommendation counts on the steps before it, or on none; what is promised is what it brings from where the hosts stand when it begins.
func TestThePromiseIsFromWhereTheHostsStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.advise("v1", time.Hour)
		s.advise("v2", time.Hour) // as if the first were not done: 0 to 25 % of h2
		ids := s.notForGain()
		first, second := ids[0], ids[1]
		a, _, _ := running(t, s, cluster.LevelManual)
		for _, id := range []string{first, second} {
			if err := approve(a, id); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		for id, want := range map[string]cluster.Effect{first: {Host: "h2", Name: cluster.CPUUtilisation, Before: 0, After: 0.25}, second: {Host: "h2", Name: cluster.CPUUtilisation, Before: 0.25, After: 0.5}} {
			c, err := a.Case(id)
			if err != nil || c.Expected == nil || len(c.Expected.Effects) != 1 || c.Expected.Effects[0] != want {
				t.Errorf("%s is expected to bring %+v, %v; want %+v", id, c.Expected, err, want)
			}
			if p, known := c.Promise(); !known || !p.Kept {
				t.Errorf("%s: %+v %t", id, p, known)
			}
		}
		replayed := map[string]cluster.Case{}
		if err := s.Replay(func(e cluster.Entry) error {
			c := replayed[e.ID]
			err := c.Apply(e)
			replayed[e.ID] = c
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if c := replayed[second]; c.Expected == nil || c.Expected.Effects[0].Before != 0.25 {
			t.Errorf("after a restart it is expected to bring %+v", c.Expected)
		}
	})
}
