package slack

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Place is where the book is kept.
type Place interface {
	// Read returns what is kept, nil where nothing is.
	Read() ([]byte, error)
	// Write keeps it whole.
	Write(text []byte) error
	// String says where that is.
	String() string
}

// book remembers the plans and their messages, in its place too, so that a restart goes on with the old
// messages. It is no journal: when it is lost, a plan gets a second message and nothing else happens.
type book struct {
	place Place // nil: it is remembered until the server ends
	log   *slog.Logger

	mu    sync.Mutex
	plans map[string]*plan
	// notices are what the channel is still to be told, the oldest first.
	notices []string
}

// bookVersion is the version of the file.
const bookVersion = 1

// bookFile is the file's content.
type bookFile struct {
	Version int      `json:"version"`
	Plans   []plan   `json:"plans"`
	Notices []string `json:"notices,omitempty"`
}

// openBook reads what is kept. What cannot be read is said in the log and left behind.
func openBook(place Place, log *slog.Logger) *book {
	b := &book{place: place, log: log, plans: map[string]*plan{}}
	if place == nil {
		return b
	}
	f, err := readBook(place)
	switch {
	case err != nil:
		log.Warn("earlier Slack messages are forgotten, plans that have one already get a second", "path", place, "err", err)
	case f.Version == 0:
		log.Info("no earlier Slack messages are known, plans that have one already get a second", "path", place)
	}
	for i := range f.Plans {
		b.plans[f.Plans[i].key()] = &f.Plans[i]
	}
	b.notices = f.Notices
	return b
}

// readBook gives version 0 where nothing is kept.
func readBook(place Place) (bookFile, error) {
	text, err := place.Read()
	if err != nil || text == nil {
		return bookFile{}, err
	}
	var f bookFile
	if err := json.Unmarshal(text, &f); err != nil {
		return bookFile{}, fmt.Errorf("read %s: %w", place, err)
	}
	if f.Version != bookVersion {
		return bookFile{}, fmt.Errorf("read %s: version %d is not known here, only %d is", place, f.Version, bookVersion)
	}
	return f, nil
}

// keys lists the plans, the oldest first.
func (b *book) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Keys(b.plans), func(x, y string) int {
		if d := b.plans[x].Made.Compare(b.plans[y].Made); d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
}

// plan returns a copy, so that nobody waits on the lock while it is sent.
func (b *book) plan(key string) (plan, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.plans[key]
	if !ok {
		return plan{}, false
	}
	one := *p
	one.Said = slices.Clone(p.Said)
	return one, true
}

// note changes a plan in memory, and makes it where there is none.
func (b *book) note(key string, change func(*plan)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.plans[key] == nil {
		b.plans[key] = &plan{}
	}
	change(b.plans[key])
}

// change changes a plan that is known, and keeps it.
func (b *book) change(key string, change func(*plan)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.plans[key]; p != nil {
		change(p)
		b.save()
	}
}

// drop forgets a plan.
func (b *book) drop(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.plans, key)
	b.save()
}

// save keeps it in its place. What cannot be written costs a
// second message after a restart, so it is said and nothing stops.
func (b *book) save() {
	if b.place == nil {
		return
	}
	f := bookFile{Version: bookVersion, Plans: []plan{}, Notices: b.notices}
	for _, key := range slices.Sorted(maps.Keys(b.plans)) {
		f.Plans = append(f.Plans, *b.plans[key])
	}
	text, err := json.Marshal(f)
	if err == nil {
		err = b.place.Write(text)
	}
	if err != nil {
		b.log.Warn("what Slack shows could not be remembered, a restart would post again", "path", b.place, "err", err)
	}
}

// withCase changes the plan that an action belongs to.
func (b *book) withCase(id string, change func(*plan)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.holding(id); p != nil {
		change(p)
		b.save()
	}
}

// messageOf returns the timestamp of the message that tells of an action, or "".
func (b *book) messageOf(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.holding(id); p != nil {
		return p.TS
	}
	return ""
}

// holding returns the plan that an action belongs to, or nil; mu is held.
func (b *book) holding(id string) *plan {
	for _, p := range b.plans {
		if slices.ContainsFunc(p.Cases, func(c cluster.Case) bool { return c.Recommendation.ID == id }) {
			return p
		}
	}
	return nil
}

// claim notes that something about an action is said, and tells whether it had not been. What is about a plan
// that is not remembered is said each time.
func (b *book) claim(id, key string) bool {
	fresh := true
	b.withCase(id, func(p *plan) {
		if fresh = !slices.Contains(p.Said, key); fresh {
			p.Said = append(p.Said, key)
		}
	})
	return fresh
}

// unclaim takes back that something is said.
func (b *book) unclaim(id, key string) {
	b.withCase(id, func(p *plan) {
		p.Said = slices.DeleteFunc(p.Said, func(said string) bool { return said == key })
	})
}
