package promql_test

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Two servers say the same of the cluster c, a third looks after another one; h1 is silent for a while, and the VM a moves from h1 to h2.
const pastOfTwo = `load 15s
  evenkeel_server_info{job="s",instance="s1",evenkeel_cluster="c",server="1"} 1x240
  evenkeel_server_info{job="s",instance="s2",evenkeel_cluster="c",server="2"} 1x240
  evenkeel_server_info{job="s",instance="s3",evenkeel_cluster="other",server="3"} 1x240
  evenkeel_cluster_score{job="s",instance="s1"} 60x120 80x119
  evenkeel_cluster_score{job="s",instance="s2"} 60x120 80x119
  evenkeel_cluster_score{job="s",instance="s3"} 99x240
  evenkeel_cluster_score_lost_points{job="s",instance="s1",part="rules"} 40x240
  evenkeel_cluster_score_lost_points{job="s",instance="s2",part="cpu_headroom"} 1x240
  evenkeel_host_utilisation_ratio{job="s",instance="s1",host="h1",kind="hypervisor",resource="cpu"} 0.5x80 stale _x78 0.7x80
  evenkeel_host_utilisation_ratio{job="s",instance="s1",host="h2",kind="hypervisor",resource="cpu"} 0.1x240
  evenkeel_host_utilisation_ratio{job="s",instance="s1",host="backup",kind="physical",resource="cpu"} 0.9x240
  evenkeel_host_utilisation_ratio{job="s",instance="s3",host="h1",kind="hypervisor",resource="cpu"} 0.99x240
  evenkeel_vm_vcpus{instance="h1:9177",vm="a"} 2x120 stale
  evenkeel_vm_vcpus{instance="h2:9177",vm="a"} _x120 2x120
  evenkeel_vm_vcpu_steal_seconds_total{instance="h1:9177",vm="a",vcpu="0"} 0+3x120 stale
  evenkeel_vm_vcpu_steal_seconds_total{instance="h2:9177",vm="a",vcpu="0"} _x120 0+3x120
`

func trendsOf(t *testing.T, subject string) cluster.Trends {
	t.Helper()
	src, err := promql.New(prometheus(t, pastOfTwo), nil, options())
	if err != nil {
		t.Fatal(err)
	}
	trends, err := src.Trends(t.Context(), subject, time.Unix(0, 0), time.Unix(3600, 0))
	if err != nil {
		t.Fatal(err)
	}
	return trends
}

func series(t *testing.T, trends cluster.Trends, name, part string) cluster.Trend {
	t.Helper()
	for _, s := range trends.Series {
		if s.Name == name && s.Part == part {
			return s
		}
	}
	t.Fatalf("there is no series %s %s in %+v", name, part, trends)
	return cluster.Trend{}
}

func TestNumbersOverTimeAreThoseOfThisCluster(t *testing.T) {
	trends := trendsOf(t, "cluster")
	score := series(t, trends, "score", "")
	low, mean, high, last := score.Sums()
	if low != 60 || high != 80 || last != 80 || mean < 69 || mean > 71 {
		t.Errorf("the score is %v to %v, %v on average, %v at last", low, high, mean, last)
	}
	if n := len(score.Points); n > 400 || n < 350 || trends.StepSeconds != 10 || score.Unit != "points" || !strings.Contains(score.Query, `evenkeel_cluster="c"`) {
		t.Errorf("%d points, %v apart, in %s, by %s", n, trends.StepSeconds, score.Unit, score.Query)
	}
	series(t, trends, "lost", "rules")
	series(t, trends, "lost", "cpu_headroom") // from the other server
	if _, _, high, last := series(t, trends, "spread", "cpu").Sums(); high > 0.31 || last < 0.29 {
		t.Errorf("the spread is %v at last, at most %v: the physical machine and the other cluster do not count", last, high)
	}
}

func TestWhatIsNotKnownOfATimeIsLeftOut(t *testing.T) {
	trends := trendsOf(t, "host/h1")
	s := series(t, trends, "utilisation", "cpu")
	longest := time.Duration(0)
	for i, p := range s.Points[1:] {
		longest = max(longest, p.At.Sub(s.Points[i].At))
	}
	if _, _, high, _ := s.Sums(); high != 0.7 || longest < 19*time.Minute {
		t.Errorf("up to %v, the longest gap is %v", high, longest)
	}
}

func TestAVMThatMovedHasOnePast(t *testing.T) {
	s := series(t, trendsOf(t, "vm/a"), "steal", "")
	for _, p := range s.Points {
		if seen := p.At.Sub(time.Unix(0, 0)); seen > 6*time.Minute && (p.Value < 0.09 || p.Value > 0.11) {
			t.Errorf("after %v it waits %v of the time", seen, p.Value)
		}
	}
	if s.Points[len(s.Points)-1].At.Before(time.Unix(3590, 0)) {
		t.Error("its past ends where it moved")
	}
}

func TestWithoutNumbersTheReasonIsSaid(t *testing.T) {
	if note := trendsOf(t, `host/"} or up{x="`).Note; !strings.Contains(note, "nothing is known of host/") {
		t.Errorf("of a host that is not there: %q", note)
	}
	o := options()
	o.Cluster = "third"
	src, err := promql.New(prometheus(t, pastOfTwo), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	trends, err := src.Trends(t.Context(), "cluster", time.Unix(0, 0), time.Unix(3600, 0))
	if err != nil || !strings.Contains(trends.Note, "scrape this server") || trends.Series == nil {
		t.Errorf("%d series, noted %q, %v", len(trends.Series), trends.Note, err)
	}
	if _, err := src.Trends(t.Context(), "pool/x", time.Unix(0, 0), time.Unix(3600, 0)); !errors.Is(err, promql.ErrNoSubject) {
		t.Errorf("of a pool: %v", err)
	}
	month, err := src.Trends(t.Context(), "cluster", time.Unix(0, 0), time.Unix(0, 0).AddDate(0, 0, 31))
	if err != nil || month.StepSeconds*400 < 31*24*3600 {
		t.Errorf("a month has steps of %v s, %v", month.StepSeconds, err)
	}
}

// A page that many people look at asks for the same again and again.
func TestTheSameIsNotAskedForAgainAtOnce(t *testing.T) {
	var asked atomic.Int64
	behind := prometheus(t, pastOfTwo)
	proxy := roundTrip(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		return http.DefaultTransport.RoundTrip(r)
	})
	src, err := promql.New(behind, proxy, options())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(subject string, to int64) cluster.Trends {
		trends, err := src.Trends(t.Context(), subject, time.Unix(to-3000, 0), time.Unix(to, 0))
		if err != nil {
			t.Fatal(err)
		}
		return trends
	}
	ask("host/h2", 3500)
	once := asked.Load()
	if ask("host/h2", 3503); asked.Load() != once || once == 0 {
		t.Errorf("%d questions and, within half a step, %d", once, asked.Load())
	}
	for i, again := range []func() cluster.Trends{func() cluster.Trends { return ask("host/h2", 3504) }, func() cluster.Trends { return ask("host/h1", 3504) }, func() cluster.Trends { return ask("host/h2", 3000) }} {
		before := asked.Load()
		if again(); asked.Load() == before {
			t.Errorf("%d: something else is not asked for", i)
		}
	}
	ask("host/none", 3500)
	before := asked.Load()
	if ask("host/none", 3500); asked.Load() == before {
		t.Error("that nothing is known is believed for longer")
	}
}

type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What h1 does for its VMs: a and b are on it, c is on another host, d stands on it and does not run, and a goes to h2 in the middle.
const scoresOfVMs = `load 15s
  evenkeel_server_info{job="s",instance="s1",evenkeel_cluster="c",server="1"} 1x240
  evenkeel_server_info{job="s",instance="s2",evenkeel_cluster="c",server="2"} 1x240
  evenkeel_server_info{job="s",instance="s3",evenkeel_cluster="other",server="3"} 1x240
  evenkeel_vm_info{instance="h1:9177",host="h1",vm="a",name="a"} 1x120 stale
  evenkeel_vm_info{instance="h2:9177",host="h2",vm="a",name="a"} _x120 1x120
  evenkeel_vm_info{instance="h1:9177",host="h1",vm="b",name="b"} 1x240
  evenkeel_vm_info{instance="h2:9177",host="h2",vm="c",name="c"} 1x240
  evenkeel_vm_info{instance="h1:9177",host="h1",vm="d",name="d"} 1x240
  evenkeel_vm_state{instance="h1:9177",vm="a",state="running"} 1x120 stale
  evenkeel_vm_state{instance="h2:9177",vm="a",state="running"} _x120 1x120
  evenkeel_vm_state{instance="h1:9177",vm="b",state="running"} 1x240
  evenkeel_vm_state{instance="h2:9177",vm="c",state="running"} 1x240
  evenkeel_vm_state{instance="h1:9177",vm="d",state="running"} 0x240
  evenkeel_vm_score{job="s",instance="s1",vm="a"} 60x240
  evenkeel_vm_score{job="s",instance="s2",vm="a"} 60x240
  evenkeel_vm_score{job="s",instance="s3",vm="a"} 99x240
  evenkeel_vm_score{job="s",instance="s1",vm="b"} 90x240
  evenkeel_vm_score{job="s",instance="s1",vm="c"} 10x240
  evenkeel_vm_score{job="s",instance="s1",vm="d"} 0x240
  evenkeel_vm_score_lost_points{job="s",instance="s1",vm="a",part="cpu_contention"} 30x240
  evenkeel_vm_score_lost_points{job="s",instance="s2",vm="a",part="cpu_contention"} 30x240
  evenkeel_vm_score_lost_points{job="s",instance="s3",vm="a",part="cpu_contention"} 80x240
  evenkeel_vm_score_lost_points{job="s",instance="s1",vm="a",part="cpu_headroom"} 10x240
  evenkeel_vm_score_lost_points{job="s",instance="s1",vm="b",part="cpu_headroom"} 10x240
  evenkeel_vm_score_lost_points{job="s",instance="s1",vm="c",part="cpu_contention"} 90x240
`

func TestTheScoresOfTheVMsOnAHostAreItsOwnOverTime(t *testing.T) {
	src, err := promql.New(prometheus(t, scoresOfVMs), nil, options())
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]struct{ first, last [3]float64 }{
		"h1": {first: [3]float64{75, 15, 10}, last: [3]float64{90, math.NaN(), 10}},
		"h2": {first: [3]float64{10, 90, math.NaN()}, last: [3]float64{35, 60, 5}},
	} {
		trends, err := src.Trends(t.Context(), "host/"+host, time.Unix(0, 0), time.Unix(3600, 0))
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"score", "cpu_contention", "cpu_headroom"} {
			part := name
			if i == 0 {
				part = ""
			}
			var s cluster.Trend
			for _, one := range trends.Series {
				if one.Part == part && (one.Name == "score" && i == 0 || one.Name == "lost" && i > 0) {
					s = one
				}
			}
			for at, value := range map[int64]float64{600: want.first[i], 3600: want.last[i]} {
				got := math.NaN()
				for _, p := range s.Points {
					if p.At.Unix() == at {
						got = p.Value
					}
				}
				if got != value && !(math.IsNaN(got) && math.IsNaN(value)) {
					t.Errorf("%s of %s after %d s: %v, want %v", name, host, at, got, value)
				}
			}
		}
	}
}
