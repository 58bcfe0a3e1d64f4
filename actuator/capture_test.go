package actuator

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// camera notes what had been done when it was asked to keep what a VM shows.
type camera struct {
	stage  *stage
	kept   []string
	before int
	failed error
}

func (c *camera) Keep(_ context.Context, id string, _ cluster.Action) error {
	c.kept, c.before = append(c.kept, id), len(c.stage.moves())
	return c.failed
}

func TestWhatAVMShowsIsKeptBeforeItIsReset(t *testing.T) {
	for _, failed := range []error{nil, errors.New("no screen")} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage()
			a, _, _ := running(t, s, cluster.LevelFull)
			c := &camera{stage: s, failed: failed}
			a.SetRecovery(Recovery{Captures: c})
			var ids []string
			s.with(func() {
				for vm, kind := range map[string]cluster.Kind{"v1": cluster.Reset, "v2": cluster.Suspend} {
					r := cluster.Recommendation{Policy: kind.Policy(), Priority: 2, Made: time.Now(), Expires: time.Now().Add(time.Hour), Action: cluster.Action{Kind: kind, VM: vm, Name: "name-" + vm, From: "h1"}}.Identified()
					s.recs = append(s.recs, r)
					if kind == cluster.Reset {
						ids = append(ids, r.ID)
					}
				}
			})
			a.Nudge()
			time.Sleep(time.Minute)
			if moves := s.moves(); len(moves) != 2 || slices.Index(moves, "v1") < c.before {
				t.Errorf("done: %v, and it was kept after %d of them", moves, c.before)
			}
			if !slices.Equal(c.kept, ids) {
				t.Errorf("kept of %v, want %v", c.kept, ids)
			}
		})
	}
}
