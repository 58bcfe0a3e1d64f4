package engine

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

const (
	// lookback is for how long a sample is taken to be still true: the default of Prometheus.
	lookback = 5 * time.Minute
	// afterRestart is the time from one look at the targets to the next.
	afterRestart = 250 * time.Millisecond
)

// endOfBefore marks as ended what a target told before the start and does not tell any more. A scraper does so from one scrape to the
// next, but knows nothing of the scrapes before a restart: a VM that moved while the server was down would run on two hosts for the
// five minutes for which an old sample counts.
func (e *Engine) endOfBefore(ctx context.Context) {
	done := map[targetKey]bool{}
	tick := time.NewTicker(afterRestart)
	defer tick.Stop()
	for time.Since(e.opened) < lookback {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, targets := range e.scraper.TargetsActive() {
			for _, t := range targets {
				of := t.Labels(labels.NewBuilder(labels.EmptyLabels()))
				key := targetKey{of.Get("job"), of.Get("instance")}
				if done[key] || t.Health() != scrape.HealthGood || !t.LastScrape().After(e.opened) {
					continue
				}
				done[key] = true
				if err := e.endOf(ctx, key, t.LastScrape()); err != nil && ctx.Err() == nil {
					e.logger.Warn("What a target told before the restart counts for five minutes more", "job", key.job, "instance", key.instance, "err", err)
				}
			}
		}
	}
}

// endOf writes the markers for one target, with the time of its first scrape.
func (e *Engine) endOf(ctx context.Context, key targetKey, at time.Time) error {
	q, err := e.store.db.Querier(e.opened.Add(-lookback).UnixMilli(), at.UnixMilli())
	if err != nil {
		return fmt.Errorf("read what was told before: %w", err)
	}
	defer q.Close() //nolint:errcheck // it was read only
	var ended []labels.Labels
	set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchEqual, "job", key.job), labels.MustNewMatcher(labels.MatchEqual, "instance", key.instance))
	var it chunkenc.Iterator
	for set.Next() {
		series := set.At()
		it = series.Iterator(it)
		last, told := int64(0), math.Float64frombits(value.StaleNaN)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValFloat { // no target of ours has histograms of the other kind
				last, told = it.At()
			}
		}
		if last != 0 && last < e.opened.UnixMilli() && !value.IsStaleNaN(told) {
			ended = append(ended, series.Labels())
		}
	}
	if err := set.Err(); err != nil {
		return fmt.Errorf("read what was told before: %w", err)
	}
	if len(ended) == 0 {
		return nil
	}
	app := e.store.db.Appender(ctx)
	for _, l := range ended {
		if _, err := app.Append(0, l, at.UnixMilli(), math.Float64frombits(value.StaleNaN)); err != nil {
			_ = app.Rollback() // the first error says it
			return fmt.Errorf("mark as ended %s: %w", l, err)
		}
	}
	return app.Commit()
}
