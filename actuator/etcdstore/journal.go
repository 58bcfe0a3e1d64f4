package etcdstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/internal/cluster"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// maxRecord is how large a record may be, in bytes. etcd refuses requests of more than 1.5 MiB.
const maxRecord = 1 << 20

// attempts is how often a step is tried again because another came in between.
const attempts = 5

// shelf is a journal's shelf in etcd: a key for each record, one for the head and one for the anchor.
type shelf struct {
	store *Store
	term  *Term // nil: it may be read only

	// putting is held while a record is written.
	putting sync.Mutex
	// rev is the revision of the head's key when it was last known for certain, known whether it still is.
	rev   int64
	known bool
	// tried are heads that were sent since, and of which nobody said whether they were written.
	tried []cluster.Head
}

// Journal opens the journal to be written while the term lasts. Without a term, nil, it can be read only. Entries that are moved
// out go to files under dir. Closing it leaves the store open.
func (s *Store) Journal(ctx context.Context, t *Term, dir string) (*journal.Journal, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	return s.openJournal(ctx, t, dir)
}

// openJournal opens it also where a migration did not come to its end.
func (s *Store) openJournal(ctx context.Context, t *Term, dir string) (*journal.Journal, error) {
	return journal.On(ctx, &shelf{store: s, term: t}, "etcd "+s.prefix+"journal/", dir)
}

func (s *shelf) head() string    { return s.store.prefix + "journal/head" }
func (s *shelf) anchor() string  { return s.store.prefix + "journal/anchor" }
func (s *shelf) entries() string { return s.store.prefix + "journal/entries/" }

// width is how many digits a number has in a key, so that keys stand in the order of the numbers.
const width = 20

func digits(n uint64) string { return fmt.Sprintf("%0*d", width, n) }

func (s *shelf) entry(seq uint64) string { return s.entries() + digits(seq) }

// number reads a key of a record, and gives 0, which no entry has, for what is none.
func (s *shelf) number(key []byte) uint64 {
	text := strings.TrimPrefix(string(key), s.entries())
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(text) != width {
		return 0
	}
	return n
}

// Ends is part of journal.Shelf.
func (s *shelf) Ends(ctx context.Context) (journal.Ends, error) {
	asked, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := s.store.client.Txn(asked).Then(clientv3.OpGet(s.anchor()), clientv3.OpGet(s.head())).Commit()
	if err != nil {
		return journal.Ends{}, withAdvice(err)
	}
	e := journal.Ends{Anchor: journal.Origin()}
	if err := stored(got, 0, &e.Anchor); err != nil {
		return journal.Ends{}, fmt.Errorf("read where the chain begins: %w", err)
	}
	var written cluster.Head
	if err := stored(got, 1, &written); err != nil {
		return journal.Ends{}, fmt.Errorf("read where the chain ends: %w", err)
	}
	e.Last, e.Written = e.Anchor, written.Seq
	newest, err := s.Before(ctx, written.Seq+1, 1)
	if err != nil {
		return journal.Ends{}, err
	}
	if len(newest) > 0 {
		e.Last, err = journal.HeadOf(newest[0])
	}
	return e, err
}

// stored decodes the value of the i-th key that was asked for, when it is there.
func stored(got *clientv3.TxnResponse, i int, into *cluster.Head) error {
	kvs := got.Responses[i].GetResponseRange().Kvs
	if len(kvs) == 0 {
		return nil
	}
	return json.Unmarshal(kvs[0].Value, into)
}

// Begin is part of journal.Shelf.
func (s *shelf) Begin(ctx context.Context, anchor cluster.Head) error {
	if s.term == nil {
		return ErrDeposed
	}
	text, err := json.Marshal(anchor)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := s.store.client.Txn(ctx).
		If(s.term.holds(), clientv3.Compare(clientv3.CreateRevision(s.head()), "=", 0)).
		Then(clientv3.OpPut(s.anchor(), string(text)), clientv3.OpPut(s.head(), string(text))).Commit()
	if err != nil {
		return withAdvice(err)
	}
	if got.Succeeded {
		return nil
	}
	if err := s.term.holdsStill(ctx); err != nil {
		return err
	}
	return fmt.Errorf("there is a journal already: copy to an empty place, or take away what a copy left that did not come to its end: etcdctl del --prefix %sjournal/", s.store.prefix)
}

// Put is part of journal.Shelf. When a request's end is not known, the next Put asks what became of it: only this term may have
// written, and only what it tried.
func (s *shelf) Put(last, added cluster.Head, record []byte) error {
	if s.term == nil {
		return ErrDeposed
	}
	if len(record) > maxRecord {
		return fmt.Errorf("the entry has %d bytes, and etcd takes %d", len(record), maxRecord)
	}
	text, err := json.Marshal(added)
	if err != nil {
		return err
	}
	s.putting.Lock()
	defer s.putting.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for range attempts {
		if !s.known {
			if err := s.learn(ctx, last); err != nil {
				return withAdvice(err)
			}
		}
		s.known, s.tried = false, append(s.tried, added)
		got, err := s.store.client.Txn(ctx).
			If(s.term.holds(), clientv3.Compare(clientv3.ModRevision(s.head()), "=", s.rev)).
			Then(clientv3.OpPut(s.entry(added.Seq), string(record)), clientv3.OpPut(s.head(), string(text))).
			Else(clientv3.OpGet(s.head())).Commit()
		if err != nil {
			return withAdvice(err)
		}
		if got.Succeeded {
			s.rev, s.known, s.tried = got.Header.Revision, true, nil
			return nil
		}
		if err := s.term.holdsStill(ctx); err != nil {
			return err
		}
	}
	return errors.New("the journal changes all the time, and not by this server: something else writes to its keys in etcd")
}

// learn reads the revision of the head's key. The head must be the last entry, or one that was tried behind it.
func (s *shelf) learn(ctx context.Context, last cluster.Head) error {
	got, err := s.store.client.Get(ctx, s.head())
	if err != nil {
		return err
	}
	s.rev = 0
	if len(got.Kvs) > 0 {
		var found cluster.Head
		if err := json.Unmarshal(got.Kvs[0].Value, &found); err != nil {
			return fmt.Errorf("read where the chain ends: %w", err)
		}
		if s.rev = got.Kvs[0].ModRevision; found != last && !slices.Contains(s.tried, found) {
			if err := s.term.holdsStill(ctx); err != nil {
				return err // the next leader wrote it
			}
			return fmt.Errorf("the journal ends with %s, and not with %s as it should: something else wrote to its keys in etcd; see evenkeel history --verify, and start the server anew", found, last)
		}
	} else if last != journal.Origin() {
		return fmt.Errorf("the key %s is gone: something else wrote to the journal in etcd; see evenkeel history --verify", s.head())
	}
	s.known = true
	return nil
}

// After is part of journal.Shelf.
func (s *shelf) After(ctx context.Context, seq uint64, most int) ([]journal.Record, error) {
	return s.span(ctx, s.entry(seq+1), clientv3.GetPrefixRangeEnd(s.entries()), most)
}

// span reads the first records of a range of keys.
func (s *shelf) span(ctx context.Context, from, end string, most int) ([]journal.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := s.store.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(int64(most)))
	if err != nil {
		return nil, withAdvice(err)
	}
	read := make([]journal.Record, 0, len(got.Kvs))
	for _, kv := range got.Kvs {
		read = append(read, journal.Record{Seq: s.number(kv.Key), Value: kv.Value})
	}
	return read, nil
}

// Before is part of journal.Shelf. It reads windows of numbers: asked for the last of many keys, etcd would read all of them.
func (s *shelf) Before(ctx context.Context, seq uint64, most int) ([]journal.Record, error) {
	first, err := s.After(ctx, 0, 1)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	newest, err := s.newest(ctx)
	if err != nil {
		return nil, err
	}
	end := newest + 1
	if seq > 0 {
		end = min(seq, end)
	}
	var read []journal.Record
	for end > first[0].Seq && len(read) < most {
		from := max(first[0].Seq, end-min(end, uint64(most)))
		window, err := s.span(ctx, s.entry(from), s.entry(end), most)
		if err != nil {
			return nil, err
		}
		slices.Reverse(window)
		read, end = append(read, window...), from
	}
	return read[:min(most, len(read))], nil
}

// newest is the number of the last record that was written.
func (s *shelf) newest(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := s.store.client.Get(ctx, s.head())
	if err != nil || len(got.Kvs) == 0 {
		return 0, withAdvice(err)
	}
	var head cluster.Head
	err = json.Unmarshal(got.Kvs[0].Value, &head)
	return head.Seq, err
}

// TakeOut is part of journal.Shelf.
func (s *shelf) TakeOut(ctx context.Context, span cluster.Span, to cluster.Head, seen uint64, free func([]byte) error) error {
	if s.term == nil {
		return ErrDeposed
	}
	text, err := json.Marshal(to)
	if err != nil {
		return err
	}
	for range attempts {
		done, err := s.takeOut(ctx, span, string(text), seen, free)
		if done || err != nil {
			return err
		}
	}
	return errors.New("entries come too fast; the next run sees to it")
}

// takeOut tries it once, and says whether no entry came in between.
func (s *shelf) takeOut(ctx context.Context, span cluster.Span, to string, seen uint64, free func([]byte) error) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	head, err := s.store.client.Get(ctx, s.head())
	if err != nil {
		return false, withAdvice(err)
	}
	if len(head.Kvs) == 0 {
		return false, errors.New("the journal has no head")
	}
	late, err := s.span(ctx, s.entry(seen+1), clientv3.GetPrefixRangeEnd(s.entries()), 0)
	if err != nil {
		return false, err
	}
	for _, r := range late {
		if err := free(r.Value); err != nil {
			return false, err
		}
	}
	got, err := s.store.client.Txn(ctx).
		If(s.term.holds(), clientv3.Compare(clientv3.ModRevision(s.head()), "=", head.Kvs[0].ModRevision)).
		Then(clientv3.OpDelete(s.entry(span.First), clientv3.WithRange(s.entry(span.Last+1))), clientv3.OpPut(s.anchor(), to)).Commit()
	if err != nil {
		return false, withAdvice(err)
	}
	if got.Succeeded {
		return true, nil
	}
	return false, s.term.holdsStill(ctx)
}

// Bytes is part of journal.Shelf. etcd tells its size by metrics of its own.
func (s *shelf) Bytes() (int64, bool) { return 0, false }

// Close is part of journal.Shelf.
func (s *shelf) Close() error { return nil }
