package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// ledger answers with what it holds, and keeps what it was asked.
type ledger struct {
	found cluster.Verification
	err   error
	asked cluster.Head
	// entries are told newest first; endless has the last one told again and again.
	entries []cluster.Entry
	endless bool
}

func (l *ledger) Back(ctx context.Context, before uint64, f func(cluster.Head, cluster.Entry) bool) error {
	for i := 0; l.err == nil; i++ {
		if i >= len(l.entries) && !l.endless {
			return nil
		}
		e := l.entries[min(i, len(l.entries)-1)]
		if before > 0 && e.Seq >= before && !l.endless {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !f(cluster.Head{Seq: e.Seq, Hash: strings.Repeat("ab", 32)}, e) {
			return nil
		}
	}
	return l.err
}

func (l *ledger) Verify(_ context.Context, want cluster.Head) (cluster.Verification, error) {
	l.asked = want
	return l.found, l.err
}

func TestTheServerVerifiesItsJournal(t *testing.T) {
	s, srv := serve(t, &house{}, nil)
	client := api.NewClient(srv.URL, "", nil)
	head := cluster.Head{Seq: 12, Hash: strings.Repeat("ab", 32)}
	if _, err := client.VerifyJournal(context.Background(), head); err == nil || err.Error() != "this server keeps no journal" {
		t.Errorf("without a journal it says %v", err)
	}
	l := &ledger{found: cluster.Verification{Entries: 12, Head: head, Flaw: &cluster.Flaw{Kind: cluster.FlawChanged, Seq: 7, Entry: cluster.EntryIntent, At: at(), Detail: "it has another hash"}}}
	s.SetLedger(l)
	got, err := client.VerifyJournal(context.Background(), head)
	if err != nil || got.Entries != 12 || got.Head != head || got.Flaw == nil || *got.Flaw != *l.found.Flaw {
		t.Errorf("it answers %+v, %v", got, err)
	}
	if l.asked != head {
		t.Errorf("it is asked about %s", l.asked)
	}
	if _, err := client.VerifyJournal(context.Background(), cluster.Head{}); err != nil || l.asked.Seq != 0 {
		t.Errorf("without a head it is asked about %s: %v", l.asked, err)
	}
	l.err = errors.New("the file is damaged")
	var r *api.RefusedError
	if _, err := client.VerifyJournal(context.Background(), head); !errors.As(err, &r) || r.Status != http.StatusServiceUnavailable {
		t.Errorf("what cannot be read gives %v", err)
	}
	resp, err := http.Get(srv.URL + "/api/v1/journal/verify?head=12")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a head that is none gives %s", resp.Status)
	}
}
