package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// JournalPage is a part of the journal, the newest entry first.
type JournalPage struct {
	Entries []cluster.JournalLine `json:"entries"`
	// Before is the number to go on with, 0 where there is nothing more.
	Before uint64 `json:"before,omitempty"`
	// Looked is how many entries were looked at for it.
	Looked int `json:"looked"`
	// Stopped says why the search ended before the page was full and the journal at its end; empty where it did not.
	Stopped string `json:"stopped,omitempty"`
	// Archived is how many older entries stand in archives, which are not searched. It is told at the journal's end.
	Archived uint64 `json:"archived,omitempty"`
}

const (
	// mostLooked is how many entries are looked at for one page, and journalTimeout for how long.
	mostLooked, journalTimeout = 20_000, 5 * time.Second
)

// search is what is looked for in the journal, and what was found.
type search struct {
	s           *Server
	text, about string
	kind        string
	limit       int
	page        JournalPage
	last        uint64
}

func (s *Server) journal(w http.ResponseWriter, r *http.Request) {
	ledger, ok := s.whoKeepsTheJournal(w)
	if !ok {
		return
	}
	limit, bounded := limitOf(w, r, usualHistory)
	if !bounded {
		return
	}
	q := r.URL.Query()
	f := search{s: s, text: strings.ToLower(q.Get("q")), about: q.Get("about"), kind: q.Get("kind"), limit: limit, page: JournalPage{Entries: []cluster.JournalLine{}}}
	before, err := f.begin(q.Get("before"))
	if err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), journalTimeout)
	defer cancel()
	err = ledger.Back(ctx, before, f.take)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f.page.Before, f.page.Stopped = f.last, fmt.Sprintf("it took longer than %s", journalTimeout)
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	case f.page.Before == 0 && f.last > 1:
		f.page.Archived = f.last - 1
	}
	answer(w, f.page)
}

// begin reads where to begin, and whether the kind is one.
func (f *search) begin(before string) (uint64, error) {
	var kind cluster.EntryKind
	if f.kind != "" && kind.UnmarshalText([]byte(f.kind)) != nil {
		return 0, fmt.Errorf("kind: %q is none; leave it out, or use one of the kinds of entry that the API's document lists", f.kind)
	}
	if before == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(before, 10, 63)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("before: %q is no number of an entry; give one from 1 on", before)
	}
	return n, nil
}

// take looks at one entry, and tells whether to go on.
func (f *search) take(h cluster.Head, e cluster.Entry) bool {
	if len(f.page.Entries) >= f.limit {
		f.page.Before = f.last
		return false
	}
	if f.page.Looked >= mostLooked {
		f.page.Before, f.page.Stopped = f.last, fmt.Sprintf("%d entries were looked at", mostLooked)
		return false
	}
	f.page.Looked++
	f.last = h.Seq
	if f.kind != "" && f.kind != e.Kind.String() {
		return true
	}
	r := f.s.advised(e)
	if f.about != "" && !concerns(e, r, f.about) {
		return true
	}
	line := inWords(h, e, r)
	if f.text == "" || strings.Contains(strings.ToLower(allOf(line)), f.text) {
		f.page.Entries = append(f.page.Entries, line)
	}
	return true
}

// advised is the recommendation that the entry is about, nil for none. Some entries name it only.
func (s *Server) advised(e cluster.Entry) *cluster.Recommendation {
	if e.Recommendation != nil || !e.AboutCase() || e.ID == "" {
		return e.Recommendation
	}
	c, err := s.desk.Case(e.ID)
	if err != nil {
		return nil
	}
	return &c.Recommendation
}

// concerns tells whether the entry is about the VM, host, kind of action or recommendation.
func concerns(e cluster.Entry, r *cluster.Recommendation, key string) bool {
	names := []string{e.ID}
	switch {
	case r != nil:
		if isAbout(*r, key) {
			return true
		}
		names = append(names, r.Policy)
	case e.Order != nil:
		names = append(names, e.Order.Subject, e.Order.Policy)
	case e.Trust != nil:
		names = append(names, e.Trust.Policy)
	case e.Run != nil:
		names = append(names, e.Run.VM, e.Run.Name, e.Run.Host, e.Run.Runbook)
	}
	return slices.ContainsFunc([]string{key, cluster.HostSubject(key), cluster.VMSubject(key)}, func(name string) bool { return slices.Contains(names, name) })
}

// inWords writes an entry for people. Only what stands here leaves the server: an entry may quote what others said, so the texts are
// cleaned.
func inWords(h cluster.Head, e cluster.Entry, r *cluster.Recommendation) cluster.JournalLine {
	l := cluster.JournalLine{Seq: h.Seq, Hash: h.Hash, At: e.At, Kind: e.Kind, What: what(e, r), Effect: effectOf(e)}
	if e.AboutCase() {
		l.Recommendation = e.ID
	}
	switch {
	case r != nil:
		l.About = aboutAction(r.Action)
	case e.Order != nil:
		l.About = []string{e.Order.Subject}
		l.Who, l.Via, l.Said = e.Order.Word.Who, e.Order.Word.Via, e.Order.Word.Reason
	case e.Trust != nil:
		l.About = []string{e.Trust.Policy}
	case e.Run != nil:
		l.About, l.Who = []string{e.Run.Subject()}, e.Run.By
	}
	if e.Approval != nil {
		l.Who, l.Via, l.Said = e.Approval.Who, e.Approval.Via, e.Approval.Reason
	}
	l.What, l.Said, l.Effect = Cleaned(l.What), Cleaned(l.Said), Cleaned(l.Effect)
	return l
}

func aboutAction(a cluster.Action) []string {
	list := a.Hosts()
	if a.VM != "" {
		name := a.Name
		if name == "" {
			name = a.VM
		}
		list = append([]string{name}, list...)
	}
	return list
}

// what says in a sentence what happened.
func what(e cluster.Entry, r *cluster.Recommendation) string {
	action := "recommendation " + e.ID
	if r != nil {
		action = r.Action.String()
	}
	words := map[cluster.EntryKind]string{
		cluster.EntryApproved: "a yes to: ", cluster.EntryRejected: "a no to: ", cluster.EntryRefused: "the gates refused: ", cluster.EntryIntent: "it begins: ",
		cluster.EntryOutcome: "it is over: ", cluster.EntryMeasured: "it was measured: ", cluster.EntrySeconded: "a first yes, of two, to: ", cluster.EntrySnoozed: "put off: ",
		cluster.EntryProposed: "asked for: ", cluster.EntryWithdrawn: "not wanted any more: ",
	}
	switch {
	case e.Kind == cluster.EntryOrdered && e.Order != nil:
		return "ordered: " + e.Order.ID()
	case e.Kind == cluster.EntryLifted && e.Order != nil:
		return "taken back: " + e.Order.ID()
	case e.Kind == cluster.EntryTrust && e.Trust != nil:
		return fmt.Sprintf("the trust in %s went from %s to %s", e.Trust.Policy, e.Trust.From, e.Trust.To)
	case e.Kind == cluster.EntryRun && e.Run != nil:
		return fmt.Sprintf("the runbook %s about %s is %s", e.Run.Runbook, e.Run.Subject(), e.Run.State)
	case words[e.Kind] != "":
		return words[e.Kind] + action
	}
	return "this entry cannot be read; have the journal verified"
}

// effectOf says what came of it.
func effectOf(e cluster.Entry) string {
	var parts []string
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if o := e.Outcome; o != nil {
		add(o.Result.String())
		if o.RunsOn != "" {
			add("it runs on " + o.RunsOn)
		}
		add(o.Reason)
	}
	if e.Kind == cluster.EntryRefused && e.Outcome == nil {
		for _, v := range e.Verdicts {
			if !v.Pass {
				add(v.Gate + ": " + v.Detail)
			}
		}
	}
	if m := e.Measured; m != nil {
		add(fmt.Sprintf("the score is %.1f, and %.1f was promised", m.Cluster.Score, m.PredictedScore))
	}
	if a := e.Approval; a != nil && !a.Until.IsZero() {
		add("until " + a.Until.UTC().Format(time.RFC3339))
	}
	if o := e.Order; o != nil && e.Kind == cluster.EntryOrdered && !o.Until.IsZero() {
		add("until " + o.Until.UTC().Format(time.RFC3339))
	}
	if e.Trust != nil {
		add(e.Trust.Reason)
	}
	if e.Run != nil {
		add(e.Run.Reason)
	}
	return strings.Join(parts, "; ")
}

// allOf is the text that is searched.
func allOf(l cluster.JournalLine) string {
	return strings.Join(append([]string{strconv.FormatUint(l.Seq, 10), l.Hash, l.Kind.String(), l.What, l.Recommendation, l.Who, l.Via, l.Said, l.Effect}, l.About...), "\n")
}

var (
	userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]*@`)
	assigned = regexp.MustCompile(`(?i)\b(password|passwd|passphrase|secret|token|api_?key)(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s&"'<>]+)`)
	attached = regexp.MustCompile(`(?i)\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}`)
)

// Cleaned is the text without what looks like a password: what a hypervisor or a device answered is quoted as it was, and may repeat what it was
// told.
func Cleaned(text string) string {
	text = userinfo.ReplaceAllString(text, "$1")
	text = assigned.ReplaceAllString(text, "$1$2…")
	return attached.ReplaceAllString(text, "$1 …")
}

// JournalQuery is what to look for; zero values look for everything.
type JournalQuery struct {
	// Text stands anywhere in the words of an entry, in any case. Kind is a kind of entry, About a VM, host, kind of action or recommendation.
	Text, Kind, About string
	// Before is the number before which to begin, Limit how many entries are wanted.
	Before uint64
	Limit  int
}

// Journal reads in the journal, the newest entry first.
func (c *Client) Journal(ctx context.Context, want JournalQuery) (JournalPage, error) {
	q := url.Values{"q": {want.Text}, "kind": {want.Kind}, "about": {want.About}}
	if want.Before > 0 {
		q.Set("before", strconv.FormatUint(want.Before, 10))
	}
	if want.Limit > 0 {
		q.Set("limit", strconv.Itoa(want.Limit))
	}
	return get[JournalPage](ctx, c, "/api/v1/journal", q)
}
