package journal

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Shelf is where the records of a journal stand, by their numbers. It knows nothing of hashes and entries. It is safe for
// concurrent use, but there is one Put at a time.
type Shelf interface {
	// Ends says where the journal begins and ends.
	Ends(ctx context.Context) (Ends, error)
	// Begin says where the chain begins, on a shelf on which nothing was put yet; else it fails.
	Begin(ctx context.Context, anchor cluster.Head) error
	// Put stands a record behind the last one that is certain, and returns when it is safe. What stands behind that one was
	// never acknowledged and gives way. It fails without a change when another has written meanwhile.
	Put(last, added cluster.Head, record []byte) error
	// After reads so many records behind a number, oldest first; fewer only when there are no more.
	After(ctx context.Context, seq uint64, most int) ([]Record, error)
	// Before reads so many records before a number, newest first; 0 begins with the newest. Fewer come only when there are no more.
	Before(ctx context.Context, seq uint64, most int) ([]Record, error)
	// TakeOut takes the records of a span away, all or none, and keeps to as what stood there last. In the same step it asks free
	// about each record behind the one that was seen last, and takes nothing when it says no.
	TakeOut(ctx context.Context, span cluster.Span, to cluster.Head, seen uint64, free func(record []byte) error) error
	// Bytes is how much room it takes, and false where only others can tell.
	Bytes() (int64, bool)
	// Close lets go of it.
	Close() error
}

// Record is a line of the journal as it stands: the number that it is filed under, 0 for what is no number, and its bytes.
type Record struct {
	Seq   uint64
	Value []byte
}

// Ends are the ends of a journal.
type Ends struct {
	// Anchor is the last entry that was moved out, or Origin.
	Anchor cluster.Head
	// Last is the last entry that stands there, or the anchor when there is none.
	Last cluster.Head
	// Written is the number of the last entry that was written, though it may be gone.
	Written uint64
}

// Origin stands before the first entry.
func Origin() cluster.Head { return origin() }

// HeadOf reads the hash of a record, and gives it with the number that the record is filed under.
func HeadOf(r Record) (cluster.Head, error) {
	parsed, err := parse(r.Value)
	if err != nil {
		return cluster.Head{}, fmt.Errorf("read the last entry, %d: %w", r.Seq, err)
	}
	return cluster.Head{Seq: r.Seq, Hash: parsed.hash}, nil
}

// On opens the journal that stands on a shelf; name says where that is, for errors. Entries that are moved out go to files in
// journal-archive under dir.
func On(ctx context.Context, shelf Shelf, name, dir string) (*Journal, error) {
	j := newJournal(shelf, name, dir)
	if err := j.refresh(ctx); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", name, err)
	}
	return j, nil
}

// refresh reads where the journal ends.
func (j *Journal) refresh(ctx context.Context) error {
	ends, err := j.shelf.Ends(ctx)
	if err != nil {
		return fmt.Errorf("%w; look at it with %s", err, j.look)
	}
	j.head.Store(&ends.Last)
	j.written = ends.Written
	return nil
}

// add seals the entry and stands it behind the last one that is certain.
func (j *Journal) add(e *cluster.Entry) (cluster.Head, error) {
	e.Seq = j.written + 1
	text, err := json.Marshal(e)
	if err != nil {
		return cluster.Head{}, err
	}
	last := j.Head()
	r := seal(last.Hash, text)
	added := cluster.Head{Seq: e.Seq, Hash: r.hash}
	return added, j.shelf.Put(last, added, r.bytes())
}
