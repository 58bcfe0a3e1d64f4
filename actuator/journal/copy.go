package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// errNotEmpty says that a journal cannot begin where there is one.
var errNotEmpty = errors.New("there is a journal already: copy to an empty place, or take away what a copy left that did not come to its end")

// CopyTo copies all that stands in the journal, byte for byte, to one to which nothing was written yet, and sees that both are
// whole and end alike. Nothing may be appended to either meanwhile. Archives are files and stay where they are: copy them to the
// other's directory.
func (j *Journal) CopyTo(ctx context.Context, to *Journal) (cluster.Verification, error) {
	copied, err := j.copyTo(ctx, to)
	if err != nil {
		return cluster.Verification{}, fmt.Errorf("copy journal %s to %s: %w", j.name, to.name, err)
	}
	return copied, nil
}

func (j *Journal) copyTo(ctx context.Context, to *Journal) (cluster.Verification, error) {
	var none cluster.Verification
	from, err := j.Verify(ctx, cluster.Head{})
	if err != nil {
		return none, err
	}
	if from.Flaw != nil {
		return none, fmt.Errorf("%s; nothing is copied", from.Flaw)
	}
	if err := to.shelf.Begin(ctx, from.Anchor); err != nil {
		return none, err
	}
	last := from.Anchor
	if err := j.walk(ctx, from.Head.Seq, func(seq uint64, value []byte) error {
		added, err := HeadOf(Record{seq, value})
		if err == nil {
			err = to.shelf.Put(last, added, value)
		}
		last = added
		return err
	}); err != nil {
		return none, err
	}
	return to.isAllOf(ctx, from)
}

// isAllOf verifies what was put on the shelf, and that it is all of what was there.
func (j *Journal) isAllOf(ctx context.Context, there cluster.Verification) (cluster.Verification, error) {
	if err := j.refresh(ctx); err != nil {
		return cluster.Verification{}, err
	}
	got, err := j.Verify(ctx, cluster.Head{})
	switch {
	case err != nil:
		return cluster.Verification{}, err
	case got.Flaw != nil:
		return cluster.Verification{}, fmt.Errorf("what was written: %s", got.Flaw)
	case got.Head != there.Head || got.Entries != there.Entries:
		return cluster.Verification{}, fmt.Errorf("what was written has %d entries and ends with %s, and should have %d and end with %s: was something written meanwhile?", got.Entries, got.Head, there.Entries, there.Head)
	}
	return got, nil
}
