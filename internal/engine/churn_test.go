package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// sink is a database that takes everything.
type (
	sink         struct{}
	sinkAppender struct{ storage.AppenderV2 }
)

func (sink) AppenderV2(context.Context) storage.AppenderV2 { return sinkAppender{} }

func (sinkAppender) Append(ref storage.SeriesRef, _ labels.Labels, _, _ int64, _ float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	return max(ref, 1), nil
}

func TestChurnLimit(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	limit := newChurnLimit(sink{}, "evenkeel-server")
	limit.now = func() time.Time { return now }
	app := limit.AppenderV2(t.Context())
	job := "hosts"
	begin := func(instance string, n int) (taken int) {
		ls := labels.FromStrings("__name__", "m", "instance", instance, "job", job)
		for range n {
			switch _, err := app.Append(0, ls, 0, 0, 1, nil, nil, storage.AppendV2Options{}); {
			case err == nil:
				taken++
			case !errors.Is(err, errChurn):
				t.Fatal(err)
			}
		}
		return taken
	}
	for _, step := range []struct {
		after    time.Duration
		instance string
		n, want  int
	}{
		{0, "h1", churnBurst + 10, churnBurst},
		{0, "h2", 10, 10}, // no other target suffers
		{time.Hour, "h1", churnBurst, churnHour},
		{30 * time.Minute, "h1", churnBurst, churnHour / 2},
		{24 * time.Hour, "h1", churnBurst + 10, churnBurst},
	} {
		now = now.Add(step.after)
		if got := begin(step.instance, step.n); got != step.want {
			t.Errorf("%s later %s may begin %d of %d series, want %d", step.after, step.instance, got, step.n, step.want)
		}
	}
	job = "evenkeel-server"
	if got := begin("s1", 10*churnBurst); got != 10*churnBurst {
		t.Errorf("this process may begin %d series", got)
	}
	known, err := app.Append(7, labels.FromStrings("instance", "h1", "job", "hosts"), 0, 0, 1, nil, nil, storage.AppendV2Options{})
	if known != 7 || err != nil {
		t.Errorf("a known series is not taken any more: %v", err)
	}
}

// TestChurningTargetIsCutOff scrapes an exporter with new label values in each
// scrape, until it is down but its neighbour up.
func TestChurningTargetIsCutOff(t *testing.T) {
	t.Parallel()
	var scrape atomic.Int64
	churning := exporter(t, func() string {
		n := scrape.Add(1)
		var b strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&b, "m{id=\"%d_%d\"} 1\n", n, i)
		}
		return b.String()
	})
	healthy := exporter(t, constant("alive 1\n"))
	e := openEngine(t, Options{})
	// Nearly all of its allowance is used up already.
	e.store.churn.targets[targetKey{"churning", churning}] = &allowance{series: 5000, at: time.Now()}
	if err := e.SetTargets([]Target{{Job: "churning", Address: churning}, {Job: "healthy", Address: healthy}}); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	c := client(t, e)
	eventually(t, c, `sum by (job) (max_over_time(up[1m]))`, "{job=\"churning\"} 1\n{job=\"healthy\"} 1")
	eventually(t, c, `sum by (job) (up)`, "{job=\"churning\"} 0\n{job=\"healthy\"} 1")
	eventually(t, c, `count(m)`, ``)
	if n := e.store.db.Head().NumSeries(); n > 5100 {
		t.Errorf("there are %d series in memory", n)
	}
}
