package slack

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/test/slackfake"
	"github.com/prometheus/client_golang/prometheus"
)

// ledger is a desk that has no cases, and changes of trust.
type ledger struct {
	mu   sync.Mutex
	list []cluster.TrustChange
}

func (l *ledger) Trust() []cluster.TrustChange {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list
}

func (l *ledger) change(c cluster.TrustChange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = []cluster.TrustChange{c}
}

func (l *ledger) List(func(cluster.Case) bool) []cluster.Case { return nil }
func (l *ledger) Case(string) (cluster.Case, error)           { return cluster.Case{}, errors.New("none") }
func (l *ledger) Approve(context.Context, string, cluster.Approval) (cluster.Case, error) {
	return l.Case("")
}
func (l *ledger) Reject(string, cluster.Approval) (cluster.Case, error) { return l.Case("") }
func (l *ledger) Snooze(string, cluster.Approval, time.Time) (cluster.Case, error) {
	return l.Case("")
}

func TestTheChannelIsToldWhatIsEarnedAndLost(t *testing.T) {
	fake := slackfake.Start()
	defer fake.Close()
	old := cluster.TrustChange{Policy: "balance", From: cluster.LevelManual, To: cluster.LevelPartial, Since: time.Now().Add(-time.Hour), Reason: "long ago"}
	desk := &ledger{list: []cluster.TrustChange{old}}
	s, err := New(desk, Options{BotToken: slackfake.BotToken, SigningSecret: slackfake.SigningSecret, Channel: slackfake.Channel, Approvers: []string{"U1"},
		APIURL: fake.URL(), Every: 10 * time.Millisecond, Timeout: time.Second}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = s.Run(ctx) }()
	await := func(n int, text string) {
		t.Helper()
		for until := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			list := fake.Messages()
			if len(list) == n && strings.Contains(list[n-1].Text, text) {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("the channel holds %+v", list)
			}
		}
	}
	time.Sleep(100 * time.Millisecond)
	desk.change(cluster.TrustChange{Policy: "balance", From: cluster.LevelManual, To: cluster.LevelFull, Since: time.Now(), Reason: "20 of 20 actions came as promised"})
	await(1, "*balance* has earned the level *full* (it was manual): 20 of 20")
	fake.Be(slackfake.Down)
	desk.change(cluster.TrustChange{Policy: "balance", From: cluster.LevelFull, To: cluster.LevelManual, Since: time.Now(), Reason: "it failed: cable <pulled>"})
	time.Sleep(200 * time.Millisecond)
	fake.Be(slackfake.Up)
	await(2, "is back at the level *manual* (it was full): it failed: cable &lt;pulled&gt;")
	time.Sleep(100 * time.Millisecond)
	await(2, "") // once each
}
