package engine

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
)

// maxConcurrentQueries run at once, others wait their turn within their
// timeout. It is a bound on memory, see DefaultMaxSamples.
const maxConcurrentQueries = 8

func newQueryEngine(o Options, reg prometheus.Registerer) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger:             o.Logger.With("component", "promql"),
		Reg:                reg,
		MaxSamples:         o.MaxSamples,
		Timeout:            o.QueryTimeout,
		ActiveQueryTracker: make(turnstile, maxConcurrentQueries),
		// The step of [1h:] in a subquery.
		NoStepSubqueryIntervalFn: func(int64) int64 { return o.ScrapeInterval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
	})
}

// turnstile lets as many queries in as it has capacity. Prometheus' own tracker
// also notes them in a mapped file, which a full disk turns into a crash.
type turnstile chan struct{}

// GetMaxConcurrent returns how many queries may run at once.
func (t turnstile) GetMaxConcurrent() int { return cap(t) }

// Insert waits for a free place; its error is that ctx ended first, in the
// types by which the API tells a timeout from a cancelled request.
func (t turnstile) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case t <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return 0, promql.ErrQueryTimeout("queue")
	}
	return 0, promql.ErrQueryCanceled("queue")
}

// Delete gives the place back.
func (t turnstile) Delete(int) { <-t }

// Close does nothing: there is nothing on disk.
func (t turnstile) Close() error { return nil }
