package cluster

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// documented reads the two tables of docs/actions.md.
func documented(t testing.TB) []Transition {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "actions.md"))
	if err != nil {
		t.Fatal(err)
	}
	var list []Transition
	table := ""
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 5 {
			table = ""
			continue
		}
		first := strings.TrimSpace(cells[1])
		if table == "" {
			table = first // the head of a table names it
			continue
		}
		if table != "event" && table != "older event" || strings.HasPrefix(first, "-") {
			continue
		}
		for from := range strings.SplitSeq(cells[2], ",") {
			tr := Transition{Event: Event(first), Older: table == "older event"}
			if err := tr.From.UnmarshalText([]byte(strings.TrimSpace(from))); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if err := tr.To.UnmarshalText([]byte(strings.TrimSpace(cells[3]))); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			list = append(list, tr)
		}
	}
	return sorted(list)
}

func sorted(list []Transition) []Transition {
	slices.SortFunc(list, func(x, y Transition) int {
		return cmp.Or(cmp.Compare(x.Event, y.Event), cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To))
	})
	return list
}

func TestThePageAboutActionsIsTrue(t *testing.T) {
	if diff := gocmp.Diff(documented(t), sorted(Transitions())); diff != "" {
		t.Errorf("docs/actions.md (-) and Transitions (+) differ:\n%s", diff)
	}
}

// entries are one of each sort, by event.
func entries() map[Event]Entry {
	rec := Recommendation{ID: "r", Policy: "balance"}
	outcome := func(r Result) *Outcome { return &Outcome{Result: r} }
	return map[Event]Entry{
		EventApproved:       {Kind: EntryApproved, Recommendation: &rec, Approval: &Approval{Who: "alice"}},
		EventRejected:       {Kind: EntryRejected, Recommendation: &rec, Approval: &Approval{Who: "bob"}},
		EventRefusedWord:    {Kind: EntryRefused, Recommendation: &rec, Approval: &Approval{Who: "alice"}, Verdicts: []Verdict{{Gate: "level"}}},
		EventRefused:        {Kind: EntryRefused, Recommendation: &rec, Outcome: outcome(ResultRefused)},
		EventIntent:         {Kind: EntryIntent, Recommendation: &rec},
		EventDone:           {Kind: EntryOutcome, Outcome: outcome(ResultDone)},
		EventFailed:         {Kind: EntryOutcome, Outcome: outcome(ResultFailed)},
		EventOutcomeRefused: {Kind: EntryOutcome, Outcome: outcome(ResultRefused)},
		EventUnknown:        {Kind: EntryOutcome, Outcome: outcome(ResultUnknown)},
		EventMeasured:       {Kind: EntryMeasured, Measured: &Measurement{}},
		EventSeconded:       {Kind: EntrySeconded, Recommendation: &rec, Approval: &Approval{Who: "carol"}},
		EventSnoozed:        {Kind: EntrySnoozed, Recommendation: &rec, Approval: &Approval{Who: "dave"}},
		EventProposed:       {Kind: EntryProposed, Recommendation: &rec},
		EventWithdrawn:      {Kind: EntryWithdrawn, Recommendation: &rec},
	}
}

func TestEveryKindOfEntryIsAnEvent(t *testing.T) {
	seen := map[EntryKind]bool{EntryNone: true, EntryOrdered: true, EntryLifted: true, EntryTrust: true, EntryRun: true} // none of a case
	for event, e := range entries() {
		seen[e.Kind] = true
		if got := EventOf(e); got != event {
			t.Errorf("%s with outcome %v is the event %q, not %q", e.Kind, e.Outcome, got, event)
		}
	}
	for k := range entryKinds() {
		if !seen[EntryKind(k)] {
			t.Errorf("no entry of the kind %s is tried against the table: add one to entries here, and to EventOf, Transitions and docs/actions.md", EntryKind(k))
		}
	}
}

// The law: whatever entries come in whatever order, a case moves as the page about actions says, and an
// entry that the page does not allow is refused and changes nothing.
func TestLawACaseMovesAsThePageSays(t *testing.T) {
	table := documented(t)
	kinds := slices.Sorted(func(yield func(string) bool) {
		for event := range entries() {
			if !yield(string(event)) {
				return
			}
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		c := Case{Recommendation: Recommendation{ID: "r", Policy: "balance"}}
		for i, event := range rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 20).Draw(rt, "events") {
			e := entries()[Event(event)]
			e.Seq, e.ID = uint64(i+1), "r"
			before := c
			err := c.Apply(e)
			at := slices.IndexFunc(table, func(tr Transition) bool { return string(tr.Event) == event && tr.From == before.State })
			switch {
			case at < 0 && err == nil:
				rt.Fatalf("%s is taken when the case is %s", event, before.State)
			case at < 0:
				if diff := gocmp.Diff(before, c); diff != "" {
					rt.Fatalf("%s was refused and has changed the case:\n%s", event, diff)
				}
				if want := fmt.Sprintf("journal entry %d (%s) cannot follow: the case \"r\" is %s", i+1, event, before.State); !strings.Contains(err.Error(), want) {
					rt.Fatalf("the refusal says %v, not %s", err, want)
				}
			case err != nil:
				rt.Fatalf("%s is refused when the case is %s: %v", event, before.State, err)
			case c.State != table[at].To:
				rt.Fatalf("%s leads from %s to %s, not to %s", event, before.State, c.State, table[at].To)
			}
		}
	})
}

func TestAHeadIsReadAsItIsWritten(t *testing.T) {
	h := Head{Seq: 1234, Hash: strings.Repeat("ab", 32)}
	if got, err := ParseHead(" " + h.String() + "\n"); err != nil || got != h {
		t.Errorf("%s is read as %v: %v", h, got, err)
	}
	for _, bad := range []string{"", "12", "0:" + h.Hash, "12:abcd", "x:" + h.Hash, "12:" + strings.Repeat("zz", 32)} {
		if _, err := ParseHead(bad); err == nil || !strings.Contains(err.Error(), "NUMBER:HASH") {
			t.Errorf("%q is read: %v", bad, err)
		}
	}
}
