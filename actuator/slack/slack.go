// Package slack shows plans in a Slack channel and takes people's words on them there. One message
// tells of one plan and follows it from advice to measured effect; what happens is said in its
// thread. It decides nothing: every word goes to the desk, whose gates have the last say. Nothing
// waits on Slack, and what Slack missed while it was away is made up for when it is back.
package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/slack-go/slack"
)

// Desk is where recommendations are decided. Its calls may take long; they are never made while
// Slack waits for an answer.
type Desk interface {
	// List returns the cases that the filter wants, those of one plan in the plan's order.
	List(want func(cluster.Case) bool) []cluster.Case
	Case(id string) (cluster.Case, error)
	// Approve takes a yes. The error says why it is refused, and the case how it stands.
	Approve(ctx context.Context, id string, word cluster.Approval) (cluster.Case, error)
	Reject(id string, word cluster.Approval) (cluster.Case, error)
	// Snooze puts the case off until a time.
	Snooze(id string, word cluster.Approval, until time.Time) (cluster.Case, error)
	// Trust returns the last change of trust of each kind of action.
	Trust() []cluster.TrustChange
}

// Options say which Slack, which channel and who may decide.
type Options struct {
	// BotToken is the app's token, xoxb-...
	BotToken string
	// AppToken opens Socket Mode, xapp-...; without it clicks come through Handler only.
	AppToken string
	// SigningSecret is what Slack signs HTTP requests with; without it Handler takes none.
	SigningSecret string
	// Channel is the ID of the channel, or its name.
	Channel string
	// Approvers are IDs of users, ApproverGroups IDs of user groups. Only they may decide.
	Approvers      []string
	ApproverGroups []string
	// Names are what approvers are called elsewhere, for example as the bearers of tokens, by user ID. Where the yes of
	// two people is wanted, one person must not pass for two.
	Names map[string]string
	// SnoozeFor is how long Snooze puts an action off; zero means an hour.
	SnoozeFor time.Duration
	// APIURL is the root of the Web API; empty means Slack's own.
	APIURL string
	// State is where is remembered which message tells of which plan; nil means that a
	// restart forgets it.
	State Place
	// ConsoleURL is linked from every message; empty means no link.
	ConsoleURL string
	// Every is the pause between looks at the desk; zero means 2 s.
	Every time.Duration
	// Timeout bounds one call to Slack; zero means 10 s.
	Timeout time.Duration
}

const (
	defaultSnooze  = time.Hour
	defaultEvery   = 2 * time.Second
	defaultTimeout = 10 * time.Second
	// maxPause is the longest pause between tries while Slack is down.
	maxPause = time.Minute
	// clickers is how many clicks are worked on at once; one of them may wait for the gates, which
	// look at hosts.
	clickers = 8
	// maxWaiting is how many clicks may wait. More are not acknowledged, so that Slack says so.
	maxWaiting = 256
)

// checked returns the options with defaults filled in, or what is wrong with them.
func (o Options) checked() (Options, error) {
	switch {
	case o.BotToken == "":
		return o, errors.New("slack: the bot token is missing; it begins with xoxb- and stands on the app's page OAuth & Permissions")
	case o.Channel == "":
		return o, errors.New("slack: the channel is missing; give the ID that the channel's details show at their end")
	case o.AppToken == "" && o.SigningSecret == "":
		return o, errors.New("slack: no click could arrive; give an app-level token for Socket Mode, or the signing secret for HTTP")
	case len(o.Approvers)+len(o.ApproverGroups) == 0:
		return o, errors.New("slack: nobody may approve; name user IDs or user group IDs")
	case o.SnoozeFor < 0 || o.Every < 0 || o.Timeout < 0:
		return o, errors.New("slack: a duration is negative; leave it out for the default")
	}
	if o.APIURL == "" {
		o.APIURL = slack.APIURL
	}
	if !strings.HasSuffix(o.APIURL, "/") {
		o.APIURL += "/"
	}
	for _, d := range []struct {
		field *time.Duration
		or    time.Duration
	}{{&o.SnoozeFor, defaultSnooze}, {&o.Every, defaultEvery}, {&o.Timeout, defaultTimeout}} {
		if *d.field == 0 {
			*d.field = d.or
		}
	}
	return o, nil
}

// Slack is the channel's clerk. It is safe for concurrent use.
type Slack struct {
	desk      Desk
	o         Options
	log       *slog.Logger
	metrics   *metrics
	line      *line
	book      *book
	approvers *approvers
	seen      *seen
	clicks    chan click
	// wake has the desk looked at, news has Slack told.
	wake, news chan struct{}
	// told is up to when the channel was told of changes of trust, by kind of action. Only deliverAll uses it.
	told map[string]time.Time
}

// New reads what an earlier run remembered. It does not speak with Slack yet. The error names the
// option that is wrong.
func New(desk Desk, o Options, log *slog.Logger, reg prometheus.Registerer) (*Slack, error) {
	o, err := o.checked()
	if err != nil {
		return nil, err
	}
	m := newMetrics(reg)
	l := newLine(o, m)
	return &Slack{
		desk: desk, o: o, log: log, metrics: m, line: l,
		book:      openBook(o.State, log),
		approvers: newApprovers(o.Approvers, o.ApproverGroups, l),
		seen:      newSeen(time.Now()),
		clicks:    make(chan click, maxWaiting),
		wake:      make(chan struct{}, 1),
		news:      make(chan struct{}, 1),
	}, nil
}

// Run keeps the channel in line with the desk, and works on clicks, until ctx ends. It returns nil:
// a Slack that is down is logged, counted and tried again.
func (s *Slack) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	if s.o.AppToken != "" {
		wg.Go(func() { s.listen(ctx) })
	}
	wg.Go(func() { s.watch(ctx) })
	for range clickers {
		wg.Go(func() { s.clickWork(ctx) })
	}
	s.deliverAll(ctx)
	if n := len(s.clicks); n > 0 {
		s.log.Warn("ended with clicks that nothing was done about; who clicked has to click again", "clicks", n)
	}
	return nil
}

// Handler takes Slack's interactivity requests, by POST at whatever path it is mounted.
func (s *Slack) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// signal wakes who waits on the channel.
func signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it is awake already
	}
}

// pause waits, and tells whether ctx is still on.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
	return ctx.Err() == nil
}

// lasting is a context for what a person has decided: it is taken also when the server is told to
// end meanwhile.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), decisionTimeout)
}

// decisionTimeout bounds a decision; the gates have two looks at the world in it.
const decisionTimeout = 45 * time.Second

func quoted(ids []string) string { return fmt.Sprintf("`%s`", strings.Join(ids, "`, `")) }
