package main

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// compactEvery is how often old entries are looked for. The first time is soon after the start, but not in it.
const (
	compactEvery = 24 * time.Hour
	compactFirst = 10 * time.Minute
)

// compact moves old entries of the journal out to its archive, once a day.
func (s *server) compact(ctx context.Context) error {
	timer := time.NewTimer(compactFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			s.compactOnce(ctx, time.Now().Add(-time.Duration(s.retention.Load())))
			timer.Reset(compactEvery)
		}
	}
}

func (s *server) compactOnce(ctx context.Context, before time.Time) {
	if err := s.actuator.Renew(before.Add(compactEvery)); err != nil {
		s.log.Error("the journal is not compacted: what is in force could not be written once more", "err", err)
		return
	}
	done, err := s.journal.Compact(ctx, before, func(e cluster.Entry) bool {
		if e.Kind == cluster.EntryRun {
			return s.runbooks.UnderWay(e.ID)
		}
		c, err := s.actuator.Case(e.ID)
		return err == nil && (c.State.Unsettled() || c.PutOff(time.Now()))
	})
	switch {
	case err != nil:
		s.log.Error("the journal is not compacted", "err", err)
	case done.Last > 0:
		s.log.Info("old entries moved out of the journal", "last", done.Last, "file", done.File)
	}
}
