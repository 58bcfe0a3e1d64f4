package actuator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

// The law: whatever people do and hosts say, the actuator writes only entries that the page about
// actions gives to the state that the case is in, and none that only older versions wrote.
func TestLawTheJournalHoldsOnlyWhatThePageSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := rapid.SliceOfN(rapid.SampledFrom([]string{"approve v1", "approve v2", "reject v1", "reject v2", "blind", "see", "silence", "answer", "fail", "succeed", "wait", "wait long", "withdraw", "advise", "restart"}), 1, 15).Draw(rt, "deeds")
		level := rapid.SampledFrom([]cluster.Level{cluster.LevelManual, cluster.LevelFull}).Draw(rt, "level")
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = foreignEntry(t, deeds, level) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func foreignEntry(t *testing.T, deeds []string, level cluster.Level) string {
	s := newStage()
	ids := map[string]string{"v1": s.advise("v1", time.Hour), "v2": s.advise("v2", time.Hour)}
	succeed, advised := s.migrate, slices.Clone(s.recs)
	a, _, stop := running(t, s, level)
	for _, deed := range deeds {
		word, vm, _ := strings.Cut(deed, " ")
		switch word {
		case "approve":
			_ = approve(a, ids[vm])
		case "reject":
			_, _ = a.Reject(ids[vm], cluster.Approval{Who: "bob", At: time.Now()})
		case "blind":
			s.with(func() { s.blind = errors.New("no Prometheus") })
		case "see":
			s.with(func() { s.blind = nil })
		case "silence":
			s.with(func() { s.silent["h2"] = true })
		case "answer":
			s.with(func() { s.silent["h2"] = false })
		case "fail":
			s.with(func() { s.migrate = func(context.Context, cluster.Action) error { return errors.New("no room") } })
		case "succeed":
			s.with(func() { s.migrate = succeed })
		case "withdraw":
			s.with(func() { s.recs = nil })
		case "advise":
			s.with(func() { s.recs = advised })
		case "restart":
			stop()
			a, _, stop = running(t, s, level)
		case "wait":
			if time.Sleep(2 * time.Second); vm == "long" {
				time.Sleep(5 * time.Minute)
			}
		}
	}
	time.Sleep(time.Minute)
	stop()
	cases := map[string]*cluster.Case{}
	err := s.Replay(func(e cluster.Entry) error {
		if cases[e.ID] == nil {
			cases[e.ID] = &cluster.Case{}
		}
		from := cases[e.ID].State
		if err := cases[e.ID].Apply(e); err != nil {
			return err
		}
		if !slices.Contains(cluster.Transitions(), cluster.Transition{Event: cluster.EventOf(e), From: from, To: cases[e.ID].State}) {
			return fmt.Errorf("entry %d (%s) leads from %s to %s", e.Seq, cluster.EventOf(e), from, cases[e.ID].State)
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return ""
}
