package promql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// patience is how long a replica may take to say what it has, and for how long one is waited for before the next is asked as well. A replica that
// hangs delays a snapshot by no more than that.
const patience = 5 * time.Second

// Replicas are Prometheus servers that hold the same, because each scrapes the same exporters. For each snapshot one is chosen, by what they say
// of themselves at its instant, and asked for all of it; what is not a snapshot is asked of the one that was chosen last, and of others that
// could have been when it does not answer. Of one alone nothing is chosen: it is a Source. It is safe for concurrent use.
type Replicas struct {
	all  []*Source
	opts Options

	mu sync.Mutex
	// at is the instant of the newest choice, said what was found then.
	at   time.Time
	said []cluster.Replica
	// turn is whom to ask, the best first; empty when that is to be found out.
	turn []*Source
}

// NewReplicas returns what reads one source, or several that hold the same, in the order in which they are preferred. They have the same options.
func NewReplicas(sources ...*Source) (*Replicas, error) {
	if len(sources) == 0 {
		return nil, errors.New("there is no Prometheus to read")
	}
	for i, s := range sources {
		if slices.ContainsFunc(sources[:i], func(other *Source) bool { return other.name == s.name }) {
			return nil, fmt.Errorf("%s is named twice, and could not be told from itself", s.name)
		}
	}
	return &Replicas{all: sources, opts: sources[0].opts}, nil
}

// Said is what was found of each replica for the newest snapshot; nil before the first, and where there is one.
func (r *Replicas) Said() []cluster.Replica {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said
}

// Snapshot is that of one replica. It tells which and why, and what others that could have been used contradict is a gap. The error tells why
// none could be used.
func (r *Replicas) Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error) {
	if len(r.all) == 1 {
		return r.all[0].Snapshot(ctx, at)
	}
	c := r.choose(r.hear(ctx, at), at)
	var errs []error
	for _, i := range c.turn {
		snap, err := r.all[i].Snapshot(ctx, at)
		if err != nil {
			errs = append(errs, err)
			c.said[i].Usable, c.said[i].Reason = false, "it was asked, and failed: "+err.Error()
			continue
		}
		c.use(i)
		r.keep(ctx, c, at)
		snap.Replicas = c.said
		snap.Gaps = append(snap.Gaps, c.contradictions(i)...)
		snap.Sort()
		return snap, nil
	}
	r.keep(ctx, c, at)
	return cluster.Snapshot{}, fmt.Errorf("no replica gave a snapshot: %w", errors.Join(errs...))
}

func (r *Replicas) patience() time.Duration { return min(patience, r.opts.Timeout) }

// hear asks all replicas side by side what they have at the instant, in their order.
func (r *Replicas) hear(ctx context.Context, at time.Time) []testimony {
	ctx, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	all := make([]testimony, len(r.all))
	var wg sync.WaitGroup
	for i, s := range r.all {
		wg.Go(func() { all[i] = s.testify(ctx, at) })
	}
	wg.Wait()
	return all
}

// choice is which replica is to be asked, and why.
type choice struct {
	heard []testimony
	said  []cluster.Replica
	// turn are the replicas that may be asked, the best first.
	turn []int
}

// lag is how much older a replica's newest sample may be than another's: they do not scrape at the same time.
func (r *Replicas) lag() time.Duration { return max(2*r.opts.ScrapeInterval, 10*time.Second) }

// choose puts those that are up to date in order: the most hosts up first, then as they are named. Where none is, those that answer come by their
// newest sample, and what they give is for others to judge as too old; where none answers, all as they are named.
func (r *Replicas) choose(heard []testimony, at time.Time) choice {
	c := choice{heard: heard, said: make([]cluster.Replica, len(heard))}
	best := 0
	for i, t := range heard {
		if t.newest.After(heard[best].newest) {
			best = i
		}
	}
	var answer, all []int
	for i, t := range heard {
		reason := t.problem(at, r.patience())
		if late := heard[best].newest.Sub(t.newest); reason == "" && late > r.lag() {
			reason = fmt.Sprintf("its newest sample is %s older than that of %s", late.Round(time.Second), r.all[best].name)
		}
		c.said[i] = cluster.Replica{URL: r.all[i].name, Usable: reason == "", Reason: reason, HostsUp: t.up}
		if !t.newest.IsZero() {
			c.said[i].NewestAgeSeconds = cluster.Known(max(0, at.Sub(t.newest).Seconds()))
		}
		if reason == "" {
			c.turn = append(c.turn, i)
		}
		if t.err == nil {
			answer = append(answer, i)
		}
		all = append(all, i)
	}
	slices.SortStableFunc(c.turn, func(x, y int) int { return cmp.Compare(heard[y].up, heard[x].up) })
	if len(c.turn) == 0 {
		slices.SortStableFunc(answer, func(x, y int) int { return heard[y].newest.Compare(heard[x].newest) })
		c.turn = answer
	}
	if len(c.turn) == 0 {
		c.turn = all
	}
	return c
}

// use writes down that the snapshot is made from it, and why.
func (c *choice) use(used int) {
	u := &c.said[used]
	u.Used = true
	if !u.Usable {
		u.Reason = "none is usable, and this one was asked all the same: " + u.Reason
		return
	}
	u.Reason = fmt.Sprintf("it sees %s up, none that is usable sees more, and its newest sample is %s old", hosts(u.HostsUp), age(u.NewestAgeSeconds))
	for i := range c.said {
		switch one := &c.said[i]; {
		case i == used || !one.Usable:
		case one.HostsUp < u.HostsUp:
			one.Reason = fmt.Sprintf("it sees %s up, and %s sees %d", hosts(one.HostsUp), u.URL, u.HostsUp)
		default:
			one.Reason = fmt.Sprintf("it is as good as %s, which is named before it", u.URL)
		}
	}
}

func hosts(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}

func age(seconds cluster.Number) time.Duration {
	return time.Duration(seconds.Value * float64(time.Second)).Round(time.Second)
}

// keep has what was found stand, unless something newer is known.
func (r *Replicas) keep(ctx context.Context, c choice, at time.Time) {
	if ctx.Err() != nil {
		return // who asked went away, which says nothing of the replicas
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Before(r.at) {
		return
	}
	r.at, r.said, r.turn = at, c.said, nil
	used := slices.IndexFunc(c.said, func(one cluster.Replica) bool { return one.Used })
	for _, i := range c.turn {
		switch {
		case i == used:
			r.turn = slices.Insert(r.turn, 0, r.all[i])
		case used < 0 || c.said[i].Usable || !c.said[used].Usable:
			r.turn = append(r.turn, r.all[i])
		}
	}
}
