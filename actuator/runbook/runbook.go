// Package runbook has Alertmanager's alerts begin runbooks: lists of typed steps, each of which waits for the one before. It
// decides and does nothing itself. A step that changes something is a recommendation like any other, proposed to the desk,
// whose gates have the last say; this room only sees to it that the alert says what it is about, that this is still so, that not
// too much happens at once, and that a restart neither forgets a step nor proposes it twice.
package runbook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// Desk is where actions are decided.
type Desk interface {
	// Propose opens a case. The error says why it is not open.
	Propose(r cluster.Recommendation) (cluster.Case, error)
	// Withdraw closes a case that still waits.
	Withdraw(id string) error
	// Try asks the gates about what nobody asks for.
	Try(ctx context.Context, r cluster.Recommendation, word *cluster.Approval) []cluster.Verdict
	Case(id string) (cluster.Case, error)
}

// World gives the cluster as it was at a time.
type World interface {
	Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error)
}

// Advisor makes a recommendation of what a step asks for.
type Advisor interface {
	Advise(s cluster.Snapshot, want cluster.Action, why string, at time.Time) (cluster.Recommendation, error)
}

// Prometheus answers PromQL.
type Prometheus interface {
	// Holds tells whether the query has a sample that is not zero.
	Holds(ctx context.Context, query string, at time.Time) (bool, error)
}

// Journal keeps entries for good.
type Journal interface {
	Append(e cluster.Entry) (cluster.Entry, error)
	Replay(f func(cluster.Entry) error) error
}

// Crier tells people something, and never waits.
type Crier interface {
	Tell(text string)
}

// House is what the room needs of others.
type House struct {
	Desk       Desk
	World      World
	Advisor    Advisor
	Prometheus Prometheus
	Journal    Journal
	// Crier is nil where there is only the log.
	Crier Crier
}

// Timing. It is no policy: nobody needs to change it.
const (
	tick = time.Second
	// askTimeout bounds one question to Prometheus or to the gates.
	askTimeout = 30 * time.Second
	// patience is for how long a cluster that cannot be seen is looked at again before a step fails.
	patience = 2 * time.Minute
	// recordAgain is the pause between tries while the journal takes nothing.
	recordAgain = 5 * time.Second
	// sameBeginning is how far apart two beginnings of one alert may lie.
	sameBeginning = 5 * time.Minute
	// actWithin is how long after an alert was told its runs may still act: by then it may long be over, for example when the server was
	// down meanwhile.
	actWithin = time.Hour
	// forget is after how long an alert that is not told again counts as over. Alertmanager repeats one that fires every four
	// hours where repeat_interval says nothing else.
	forget = 6 * time.Hour
	// keepOver is how long the end of an alert is remembered, for notifications that come out of order.
	keepOver = 30 * 24 * time.Hour
	// quiet is how long the same complaint about a runbook is not repeated.
	quiet = 10 * time.Minute
)

// Room is the loop, and the desk for alerts. It is safe for concurrent use.
type Room struct {
	house   House
	log     *slog.Logger
	metrics *metrics
	strange *rate.Limiter // wrong tokens
	wake    chan struct{}
	tick    time.Duration

	// deciding is held while an entry is written, so that one change of a run follows the other.
	deciding sync.Mutex

	mu     sync.Mutex
	books  []book
	secret string
	runs   cluster.Runs
	// proposed are the recommendations that the journal knows to have been proposed.
	proposed map[string]bool
	// told is when a run's alert was last told, over which alerts were over that no run is of.
	told, over map[string]time.Time
	// unseen are alerts that Alertmanager counted and did not send, by runbook and group.
	unseen map[[2]string]untold
	// complained is when people were last told of something, by runbook and sort.
	complained map[string]time.Time
	driven     map[string]bool
}

// untold is a number of alerts that match, as far as anybody knows.
type untold struct {
	n  int
	at time.Time
}

// New returns a room that knows every run of the journal. It has no runbooks until Configure.
func New(h House, log *slog.Logger, reg prometheus.Registerer) (*Room, error) {
	r := &Room{
		house: h, log: log, strange: rate.NewLimiter(20, 100), wake: make(chan struct{}, 1), tick: tick, runs: cluster.Runs{}, proposed: map[string]bool{},
		told: map[string]time.Time{}, over: map[string]time.Time{}, unseen: map[[2]string]untold{}, complained: map[string]time.Time{}, driven: map[string]bool{},
	}
	err := h.Journal.Replay(func(e cluster.Entry) error {
		if e.Kind == cluster.EntryProposed {
			r.proposed[e.ID] = true
		}
		return r.runs.Apply(e)
	})
	if err != nil {
		return nil, fmt.Errorf("replay the journal: %w", err)
	}
	for id, run := range r.runs {
		r.told[id] = run.Started
	}
	r.metrics = newMetrics(reg, r)
	return r, nil
}

// Configure puts runbooks and the webhook's token into force; without a token the webhook is closed. A run under way whose
// runbook changed fails before its next step.
func (r *Room) Configure(list []Runbook, secret string) error {
	var books []book
	for _, one := range list {
		b, err := compile(one)
		if err != nil {
			return fmt.Errorf("runbook %s: %w", one.Name, err)
		}
		books = append(books, b)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.books, r.secret = books, secret
	r.metrics.know(books)
	return nil
}

// Runbooks lists the names of the runbooks in force.
func (r *Room) Runbooks() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := []string{}
	for _, b := range r.books {
		names = append(names, b.Name)
	}
	return names
}

// Runs lists all runs that are known, the newest first.
func (r *Room) Runs() []cluster.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Collect(maps.Values(r.runs))
	slices.SortFunc(list, func(x, y cluster.Run) int { return -byAge(x, y) })
	return list
}

// UnderWay tells whether a run is not over.
func (r *Room) UnderWay(id string) bool {
	run, known := r.run(id)
	return known && run.State == cluster.RunUnderWay
}

// Run works until ctx ends. What is under way then goes on at the next start.
func (r *Room) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		for _, id := range r.due() {
			wg.Go(func() {
				r.drive(ctx, id)
				r.mu.Lock()
				delete(r.driven, id)
				r.mu.Unlock()
				r.poke() // another may have its turn
			})
		}
		r.sweep(time.Now())
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-time.After(r.tick):
		}
	}
	return nil
}

func (r *Room) run(id string) (cluster.Run, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	run, known := r.runs[id]
	return run, known
}

// bookOf returns the runbook by which the run was begun, as long as that is in force. The caller holds mu.
func (r *Room) bookOf(run cluster.Run) (book, bool) {
	for _, b := range r.books {
		if b.Name == run.Runbook && b.definition == run.Definition {
			return b, true
		}
	}
	return book{}, false
}

// errGone means that there is no such run any more.
var errGone = errors.New("the run is not known")

// change writes a run as it is to be, and carries it forward when that is on disk.
func (r *Room) change(id string, to func(*cluster.Run)) (cluster.Run, error) {
	r.deciding.Lock()
	defer r.deciding.Unlock()
	run, known := r.run(id)
	if !known {
		return run, errGone
	}
	run.Steps = slices.Clone(run.Steps)
	to(&run)
	return run, r.write(run)
}

// write puts a run on disk and then into force. The caller holds deciding.
func (r *Room) write(run cluster.Run) error {
	if _, err := r.house.Journal.Append(cluster.Entry{At: time.Now(), Kind: cluster.EntryRun, ID: run.ID, Run: &run}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs[run.ID] = run
	return nil
}

func (r *Room) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // it is awake already
	}
}

// pause waits, and tells whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return ctx.Err() == nil
}
