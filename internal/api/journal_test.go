package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// told is what a page of the journal says, in one text.
func told(page api.JournalPage) string {
	var all []string
	for _, l := range page.Entries {
		all = append(all, fmt.Sprintf("%d %s %s|%s|%s|%s|%s|%v", l.Seq, l.Kind, l.What, l.Recommendation, l.Who, l.Said, l.Effect, l.About))
	}
	return strings.Join(all, "\n")
}

// entries are one of each sort, the newest first.
func entries() []cluster.Entry {
	r := &cluster.Recommendation{ID: "abc", Policy: "balance", Action: cluster.Action{Kind: cluster.Migrate, VM: "1111", Name: "web1", From: "h1", To: "h2"}}
	word := &cluster.Approval{Who: "ada", Via: "api", Reason: "fine"}
	list := []cluster.Entry{
		{Kind: cluster.EntryApproved, ID: "abc", Recommendation: r, Approval: word},
		{Kind: cluster.EntryIntent, ID: "abc", Recommendation: r},
		{Kind: cluster.EntryOutcome, ID: "abc", Outcome: &cluster.Outcome{Result: cluster.ResultFailed, RunsOn: "h1", Reason: "qemu+tls://root:hunter2@h2/system refused: password=hunter3 token: hunter4"}},
		{Kind: cluster.EntryRefused, ID: "xyz", Recommendation: &cluster.Recommendation{ID: "xyz", Action: cluster.Action{Kind: cluster.Fence, From: "h9"}}, Verdicts: []cluster.Verdict{{Gate: "pause", Detail: "the cluster is paused"}, {Gate: "level", Pass: true, Detail: "not said"}}},
		{Kind: cluster.EntryOrdered, ID: "pause host/h3", Order: &cluster.Order{Kind: cluster.OrderPause, Subject: "host/h3", Word: *word, Until: at()}},
		{Kind: cluster.EntryTrust, ID: "trust balance", Trust: &cluster.TrustChange{Policy: "balance", From: cluster.LevelFull, To: cluster.LevelManual, Reason: "it failed"}},
		{Kind: cluster.EntryRun, ID: "r1", Run: &cluster.Run{ID: "r1", Runbook: "hung", Name: "db1", Host: "h4", By: "bob", Alert: map[string]string{"token": "hunter5"}, Reason: "Authorization: Bearer hunter6hunter6", Steps: []cluster.RunStep{{Result: "https://hooks.example/hunter7"}}}},
		{},
	}
	for i := range list {
		list[i].Seq, list[i].At = uint64(i+1), at()
	}
	slices.Reverse(list)
	return list
}

func TestTheJournalIsToldInWordsAndKeepsSecrets(t *testing.T) {
	s, srv := serve(t, &house{cases: []cluster.Case{}}, nil)
	s.SetLedger(&ledger{entries: entries()})
	client := api.NewClient(srv.URL, "", nil)
	page, err := client.Journal(context.Background(), api.JournalQuery{})
	if err != nil || len(page.Entries) != 8 || page.Looked != 8 || page.Before != 0 || page.Archived != 0 || page.Stopped != "" {
		t.Fatalf("%+v, %v", page, err)
	}
	text := told(page)
	for _, want := range []string{"1 approved a yes to: migrate web1 from h1 to h2|abc|ada|fine||[web1 h1 h2]", "2 intent it begins: migrate web1", "3 outcome it is over: recommendation abc|abc|||failed; it runs on h1; qemu+tls://h2/system refused",
		"4 refused the gates refused: turn h9 off|xyz|||pause: the cluster is paused|[h9]", "5 ordered ordered: pause host/h3||ada|fine|until 2026-11-22T10:00:00Z|[host/h3]",
		"6 trust the trust in balance went from full to manual|||", "7 run the runbook hung about db1 on h4 is running||bob", "8 none this entry cannot be read"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter") {
		t.Errorf("a secret gets out:\n%s", text)
	}
	if page.Entries[0].Hash != strings.Repeat("ab", 32) {
		t.Errorf("the hash is %q", page.Entries[0].Hash)
	}
}

func TestTheJournalIsSearched(t *testing.T) {
	h := &house{cases: []cluster.Case{{Recommendation: *entries()[7].Recommendation}}}
	s, srv := serve(t, h, nil)
	s.SetLedger(&ledger{entries: entries()})
	client := api.NewClient(srv.URL, "", nil)
	for name, c := range map[string]struct {
		want api.JournalQuery
		seqs []uint64
	}{
		"by text, in any case":       {api.JournalQuery{Text: "WEB1"}, []uint64{3, 2, 1}},
		"by what came of it":         {api.JournalQuery{Text: "paused"}, []uint64{4}},
		"not by a secret":            {api.JournalQuery{Text: "hunter3"}, nil},
		"by kind":                    {api.JournalQuery{Kind: "intent"}, []uint64{2}},
		"by VM, by its UUID":         {api.JournalQuery{About: "1111"}, []uint64{3, 2, 1}},
		"by host":                    {api.JournalQuery{About: "h3"}, []uint64{5}},
		"by kind of action":          {api.JournalQuery{About: "balance"}, []uint64{6, 3, 2, 1}},
		"by the VM of a run":         {api.JournalQuery{About: "db1"}, []uint64{7}},
		"before a number":            {api.JournalQuery{Before: 3}, []uint64{2, 1}},
		"a page":                     {api.JournalQuery{Limit: 2}, []uint64{8, 7}},
		"by two things, none of all": {api.JournalQuery{Kind: "trust", About: "h1"}, nil},
	} {
		page, err := client.Journal(context.Background(), c.want)
		var seqs []uint64
		for _, l := range page.Entries {
			seqs = append(seqs, l.Seq)
		}
		if err != nil || !slices.Equal(seqs, c.seqs) {
			t.Errorf("%s: %v, %v; want %v", name, seqs, err, c.seqs)
		}
		if c.want.Limit > 0 && page.Before != c.seqs[len(c.seqs)-1] {
			t.Errorf("%s: goes on before %d", name, page.Before)
		}
	}
	for _, q := range []string{"kind=weird", "before=x", "before=0", "limit=0"} {
		if got := status(t, s, "GET", "/api/v1/journal?"+q, "", ""); got != 400 {
			t.Errorf("%s gives %d", q, got)
		}
	}
}

func TestASearchInALongJournalEnds(t *testing.T) {
	s, srv := serve(t, &house{}, nil)
	l := &ledger{entries: []cluster.Entry{{Seq: 7, Kind: cluster.EntryIntent, ID: "abc"}}, endless: true}
	s.SetLedger(l)
	page, err := api.NewClient(srv.URL, "", nil).Journal(context.Background(), api.JournalQuery{Text: "nothing like that"})
	looked := page.Stopped == "20000 entries were looked at" && page.Looked == 20000
	slow := page.Stopped == "it took longer than 5s" && page.Looked < 20000 // a machine that is busy with the race detector
	if err != nil || !looked && !slow || page.Before != 7 {
		t.Errorf("%+v, %v", page, err)
	}
	l.endless = false
	if page, err = api.NewClient(srv.URL, "", nil).Journal(context.Background(), api.JournalQuery{}); err != nil || page.Archived != 6 || page.Before != 0 {
		t.Errorf("at the end: %+v, %v", page, err)
	}
	l.err = fmt.Errorf("read journal: %w", context.DeadlineExceeded)
	if page, err = api.NewClient(srv.URL, "", nil).Journal(context.Background(), api.JournalQuery{}); err != nil || page.Stopped == "" {
		t.Errorf("out of time: %+v, %v", page, err)
	}
}
