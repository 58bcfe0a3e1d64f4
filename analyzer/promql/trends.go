package promql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

const (
	// trendPoints is the most points that a series has, trendTimeout bounds the queries of one subject together: a page waits for them.
	trendPoints, trendTimeout = 400, 5 * time.Second
	// shortestStep is the least time between two points.
	shortestStep = time.Second
)

// ErrNoSubject says that there is no such kind of thing to have numbers over time.
var ErrNoSubject = errors.New("write cluster, host/NAME or vm/ID")

// trend is a query that gives the series of one name, one for each value of a label where there is a label.
type trend struct{ name, unit, part, query string }

// trendsOf lists the queries about a subject. What servers say of the cluster counts where they say that they look after this one, and what
// several of them say counts once.
func (s *Source) trendsOf(subject string, step time.Duration) ([]trend, error) {
	kind, name, _ := strings.Cut(subject, "/")
	own := func(metric, matchers string) string {
		return fmt.Sprintf("%s%s and on (instance, job) %s", metric, matchers, s.servers())
	}
	of := fmt.Sprintf("{%s=%s}", kind, strconv.Quote(name))
	switch {
	case subject == "cluster":
		spread := `stddev by (resource) (max by (host, resource) (` + own("evenkeel_host_utilisation_ratio", `{kind="hypervisor"}`) + `))`
		return []trend{
			{"score", "points", "", `max(` + own("evenkeel_cluster_score", "") + `)`},
			{"lost", "points", "part", `max by (part) (` + own("evenkeel_cluster_score_lost_points", "") + `)`},
			{"spread", "ratio", "resource", spread},
		}, nil
	case kind == "host" && name != "":
		return []trend{
			{"utilisation", "ratio", "resource", `max by (resource) (` + own("evenkeel_host_utilisation_ratio", of) + `)`},
			{"waiting", "ratio", "resource", `max by (resource) (` + own("evenkeel_host_waiting_ratio", of) + `)`},
			{"vms", "VMs", "", `max(` + own("evenkeel_host_vms", of) + `)`},
		}, nil
	case kind == "vm" && name != "":
		// As for a snapshot: what a VM that moved left behind with the exporter of the other host is its own as well.
		window := model.Duration(max(s.opts.Window, step)).String()
		steal := `sum(max by (instance, vcpu) (rate(evenkeel_vm_vcpu_steal_seconds_total` + of + `[` + window + `]))) / max(evenkeel_vm_vcpus` + of + ` > 0)`
		return []trend{
			{"score", "points", "", `max(` + own("evenkeel_vm_score", of) + `)`},
			{"lost", "points", "part", `max by (part) (` + own("evenkeel_vm_score_lost_points", of) + `)`},
			{"cpu_demand", "cores", "", `max(` + own("evenkeel_vm_cpu_demand_cores", of) + `)`},
			{"memory_demand", "bytes", "", `max(` + own("evenkeel_vm_memory_demand_bytes", of) + `)`},
			{"steal", "ratio", "", steal},
		}, nil
	}
	return nil, ErrNoSubject
}

// mostScored is of how many VMs the scores are looked up by name: those of more would be a query longer than what carries it takes.
const mostScored = 500

// scoresOn asks for the mean score of the VMs that run on a host, and for what they lose on average: a host has no score of its own. The VMs are
// called by name, since to go through the scores of all VMs of a large cluster takes longer than a page can wait.
func (s *Source) scoresOn(ctx context.Context, host string, over v1.Range) ([]trend, error) {
	here := `evenkeel_vm_info{host=` + strconv.Quote(host) + `}`
	vms, n, err := s.called(ctx, here, over)
	if err != nil || n == 0 || n > mostScored {
		return nil, err
	}
	looked := " and on (instance, job) " + s.servers()
	there := fmt.Sprintf(` and on (vm) group by (vm) (%s and on (vm, instance) (evenkeel_vm_state{state="running",%s} == 1))`, here, vms)
	scores := `max by (vm) (evenkeel_vm_score{` + vms + `}` + looked + `)` + there
	// What costs a VM nothing has no series, so a sum is divided by the number of scores.
	lost := `sum by (part) (max by (vm, part) (evenkeel_vm_score_lost_points{` + vms + `}` + looked + `)` + there + `) / scalar(count(` + scores + `))`
	return []trend{{"score", "points", "", `avg(` + scores + `)`}, {"lost", "points", "part", lost}}, nil
}

// called is a matcher for the UUIDs that the series have at any step of a time, and how many there are.
func (s *Source) called(ctx context.Context, series string, over v1.Range) (matcher string, vms int, err error) {
	var found model.Matrix
	f := &fetch{ctx: ctx, api: s.api, at: over.End}
	f.matrix(`group by (vm) (`+series+`)`, over, &found)
	if err := f.wait(); err != nil {
		return "", 0, err
	}
	names := make([]string, len(found))
	for i, m := range found {
		names[i] = regexp.QuoteMeta(string(m.Metric["vm"]))
	}
	slices.Sort(names)
	return `vm=~` + strconv.Quote(strings.Join(names, "|")), len(names), nil
}

// servers is the series by which servers say that they look after this cluster.
func (s *Source) servers() string {
	return fmt.Sprintf("evenkeel_server_info{evenkeel_cluster=%s}", strconv.Quote(s.opts.Cluster))
}

// Trends returns the numbers of the cluster, a host or a VM from one time to another, which is later. The error is ErrNoSubject, or says that Prometheus
// could not answer; what Prometheus does not hold is told by the note. They begin up to a step later than asked for, and may end up to half a step earlier.
func (s *Source) Trends(ctx context.Context, subject string, from, to time.Time) (cluster.Trends, error) {
	step := stepOf(to.Sub(from))
	length := to.Sub(from).Truncate(step) // so that the last point is the newest
	a := s.recent.of(recentKey{subject, step, length})
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lasts(to, step) {
		return a.trends, nil
	}
	trends, err := s.askTrends(ctx, subject, v1.Range{Start: to.Add(-length), End: to, Step: step})
	if err == nil {
		a.trends = trends
	}
	return trends, err
}

func (s *Source) askTrends(ctx context.Context, subject string, over v1.Range) (cluster.Trends, error) {
	ctx, cancel := context.WithTimeout(ctx, min(trendTimeout, s.opts.Timeout))
	defer cancel()
	asked, err := s.trendsOf(subject, over.Step)
	if err != nil {
		return cluster.Trends{}, err
	}
	if host, is := strings.CutPrefix(subject, cluster.HostSubject("")); is {
		scores, err := s.scoresOn(ctx, host, over)
		if err != nil {
			return cluster.Trends{}, err
		}
		asked = append(scores, asked...)
	}
	found := make([]model.Matrix, len(asked))
	f := &fetch{ctx: ctx, api: s.api, at: over.End}
	for i, t := range asked {
		f.matrix(t.query, over, &found[i])
	}
	if err := f.wait(); err != nil {
		return cluster.Trends{}, err
	}
	all := cluster.Trends{Subject: subject, From: over.Start.UTC(), To: over.End.UTC(), StepSeconds: over.Step.Seconds(), Series: []cluster.Trend{}}
	for i, t := range asked {
		all.Series = append(all.Series, seriesOf(t, found[i])...)
	}
	if len(all.Series) == 0 {
		all.Note, err = s.whyNothing(ctx, subject, over.Start, over.End)
	}
	return all, err
}

// stepOf is the time between two points of so long a time, in whole seconds.
func stepOf(length time.Duration) time.Duration {
	step := (length/(trendPoints-1) + time.Second - 1).Truncate(time.Second)
	return max(step, shortestStep)
}

// matrix asks for a query's values over a time.
func (f *fetch) matrix(query string, over v1.Range, into *model.Matrix) {
	f.wg.Go(func() {
		value, _, _, err := f.api.QueryRange(f.ctx, query, over)
		matrix, ok := value.(model.Matrix)
		if err == nil && !ok {
			err = fmt.Errorf("the answer is a %T, not a matrix", value)
		}
		if err != nil {
			f.fail(fmt.Errorf("query %s: %w", query, err))
			return
		}
		*into = matrix
	})
}

func seriesOf(t trend, found model.Matrix) []cluster.Trend {
	var all []cluster.Trend
	for _, m := range found {
		one := cluster.Trend{Name: t.name, Part: string(m.Metric[model.LabelName(t.part)]), Unit: t.unit, Query: t.query, Points: []cluster.TrendPoint{}}
		for _, p := range m.Values {
			if finiteNumber(float64(p.Value)) {
				one.Points = append(one.Points, cluster.TrendPoint{At: p.Timestamp.Time().UTC(), Value: float64(p.Value)})
			}
		}
		if len(one.Points) > 0 {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(x, y cluster.Trend) int { return cmp.Compare(x.Part, y.Part) })
	return all
}

// whyNothing tells a Prometheus that does not know this server from one that knows nothing of the subject.
func (s *Source) whyNothing(ctx context.Context, subject string, from, to time.Time) (string, error) {
	f := &fetch{ctx: ctx, api: s.api, at: to}
	var servers model.Vector
	f.vector(fmt.Sprintf("count(present_over_time(%s[%s]))", s.servers(), model.Duration(to.Sub(from)).String()), &servers)
	if err := f.wait(); err != nil {
		return "", err
	}
	if len(servers) == 0 {
		return "the Prometheus that is read holds nothing that a server of this cluster published in this time; have it scrape this server, which GET /api/v1/targets/http_sd lists", nil
	}
	return "nothing is known of " + subject + " in this time", nil
}
