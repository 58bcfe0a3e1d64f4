//go:build bench

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// kills is how often the leader is killed.
const kills = 50

// TestLeaderFailoverInNumbers kills the leader again and again, each time with a migration under way or just asked for, and measures how
// long it takes until another leads. Nothing that was asked for may be lost, and nothing done twice.
func TestLeaderFailoverInNumbers(t *testing.T) {
	home(t)
	exporters(t)
	store, etcdClient := etcd(t)
	text := config("migration: {tls: require, bandwidth: 32MiB, timeout: 1m, allow_unsafe: true}",
		"automation: {level: manual, storm: {failures: 0}, actions_per_hour: 10000, host_actions_per_hour: 10000, foreign_moves: 0, failure_cool_down: 0s}")
	leader := server(t, text, "--store=etcd://"+store)
	leader.leads(true)
	other := joins(t, leader, text, store)
	other.leads(false)

	var took []time.Duration
	var ids []string
	at := 1
	for i := range kills {
		to := at%hosts + 1
		id := asked(t, other, "e2e-c", fmt.Sprintf("host%d", to))
		ids = append(ids, id)
		time.Sleep(time.Duration(rand.IntN(2500)) * time.Millisecond) // anywhere between the question and the end
		killed := time.Now()
		leader.end(syscall.SIGKILL)
		for !leadsNow(other) {
			if time.Since(killed) > time.Minute {
				t.Fatal("nobody leads after a minute")
			}
			time.Sleep(20 * time.Millisecond)
		}
		took = append(took, time.Since(killed))
		got := other.ended(id, 90*time.Second)
		if got.State == cluster.CaseDone {
			at = to
		}
		if on := running("e2e-c"); len(on) != 1 || on[0] != fmt.Sprintf("host%d", at) || got.Outcome == nil {
			t.Fatalf("kill %d: it is %s, and e2e-c runs on %v", i, got.State, on)
		}
		leader, other = other, leader
		other.start()
	}
	once(t, etcdClient, ids)
	slices.Sort(took)
	fmt.Printf("%d kills of the leader: another leads after %.2f s (median), %.2f s (95th percentile), %.2f s at most; %d actions, none lost or repeated\n",
		kills, took[kills/2].Seconds(), took[kills*95/100].Seconds(), took[kills-1].Seconds(), len(ids))
}

// leadsNow tells whether the server says at once that it leads.
func leadsNow(s *instance) bool {
	ctx, cancel := context.WithTimeout(ctx(), 200*time.Millisecond)
	defer cancel()
	st, err := s.client.Status(ctx)
	return err == nil && st.Servers != nil && st.Servers.Holds == "" && len(st.Servers.All) > 0 && st.Servers.All[0].URL == s.url && st.Servers.Answers != ""
}

// asked has a VM moved, as soon as the gates let it be.
func asked(t *testing.T, s *instance, vm, to string) string {
	t.Helper()
	var id string
	t.Cleanup(func() {
		if t.Failed() {
			inquest(t, vm)
		}
	})
	eventually(t, 2*time.Minute, "the migration to be let through", func() error {
		c, err := s.client.Ask(ctx(), api.ActionRequest{Kind: cluster.Migrate, VM: vm, To: to, Reason: "measured"})
		id = c.Recommendation.ID
		return err
	})
	return id
}

// once sees that the journal holds one intent and one outcome of each action.
func once(t *testing.T, client *clientv3.Client, ids []string) {
	t.Helper()
	entries, err := client.Get(ctx(), "/evenkeel/lab/journal/entries/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		count := map[string]int{}
		for _, kv := range entries.Kvs {
			for _, kind := range []string{"intent", "outcome"} {
				if strings.Contains(string(kv.Value), `"kind":"`+kind+`"`) && strings.Contains(string(kv.Value), `"`+id+`"`) {
					count[kind]++
				}
			}
		}
		if count["intent"] > 1 || count["outcome"] != 1 {
			t.Errorf("the journal holds %v of %s", count, id)
		}
	}
}
