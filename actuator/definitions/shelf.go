package definitions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// Shelf is where sealed versions stand, by VM and number. It knows nothing of keys and of what is in them. Each call ends by
// itself within a bounded time for each megabyte. It is safe for concurrent use, but there is one Write at a time.
type Shelf interface {
	// IDs lists the versions of VMs, or of all when none is named: those of a VM behind each other, the oldest first.
	IDs(vms ...string) ([]ID, error)
	// Read returns the values of versions in the order asked, nil for what is not there.
	Read(ids ...ID) ([][]byte, error)
	// Write puts some and takes others away, and returns when that is safe. After an error it may be done in part, but those of
	// one VM that follow each other in put, with what goes of it, are done together or not at all.
	Write(put []Record, gone []ID) error
	// Mark returns what SetMark left, nil for nothing. It says by which key all is sealed.
	Mark() ([]byte, error)
	// SetMark leaves a mark.
	SetMark(mark []byte) error
	// Close lets go of it.
	Close() error
}

// ID names a version of a VM.
type ID struct {
	VM      string
	Version uint64
}

// Compare puts versions in order: by VM, and the oldest first.
func (i ID) Compare(other ID) int {
	return cmp.Or(strings.Compare(i.VM, other.VM), cmp.Compare(i.Version, other.Version))
}

// Record is a version as it stands.
type Record struct {
	ID
	Value []byte
}

// Tally is what was found on a shelf.
type Tally struct{ VMs, Versions, Bytes int }

func (t *Tally) count(before, id ID, value []byte) {
	if before.VM != id.VM || t.Versions == 0 {
		t.VMs++
	}
	t.Versions++
	t.Bytes += len(value)
}

// Copy puts all that stands on a shelf on an empty one, byte for byte, and reads it back. Nothing may be written to either
// meanwhile. The key is not needed, and not copied.
func Copy(ctx context.Context, from, to Shelf) (Tally, error) {
	there, err := to.IDs()
	if err != nil {
		return Tally{}, err
	}
	if mark, err := to.Mark(); err != nil || len(there) > 0 || mark != nil {
		return Tally{}, errors.Join(err, errors.New("there are definitions already: copy to an empty place"))
	}
	mark, err := from.Mark()
	if err == nil && mark != nil {
		err = to.SetMark(mark)
	}
	if err != nil {
		return Tally{}, err
	}
	if _, err := walk(ctx, from, func(some []Record) error { return to.Write(some, nil) }); err != nil {
		return Tally{}, err
	}
	return compare(ctx, from, to)
}

// compare reads both and says what differs.
func compare(ctx context.Context, from, to Shelf) (Tally, error) {
	n, err := walk(ctx, from, func(some []Record) error {
		ids := make([]ID, len(some))
		for i, r := range some {
			ids[i] = r.ID
		}
		copies, err := to.Read(ids...)
		if err != nil {
			return err
		}
		for i, r := range some {
			if string(copies[i]) != string(r.Value) {
				return fmt.Errorf("version %d of %s is not what was copied", r.Version, r.VM)
			}
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	there, err := to.IDs()
	if err == nil && len(there) != n.Versions {
		err = fmt.Errorf("the copy has %d versions, and what was copied has %d: was something written meanwhile?", len(there), n.Versions)
	}
	return n, err
}

// walkMost is how many versions are read at once.
const walkMost = 100

// walk reads all that stands on a shelf, some at once, in order. What cannot be found where its name says is an error.
func walk(ctx context.Context, s Shelf, f func([]Record) error) (Tally, error) {
	var n Tally
	ids, err := s.IDs()
	if err != nil {
		return n, err
	}
	var before ID
	for len(ids) > 0 {
		some := ids[:min(walkMost, len(ids))]
		ids = ids[len(some):]
		values, err := s.Read(some...)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return n, err
		}
		records := make([]Record, len(some))
		for i, id := range some {
			if values[i] == nil {
				return n, fmt.Errorf("version %d of %q is not where its name says: its name was damaged; bring it back from a backup", id.Version, id.VM)
			}
			records[i] = Record{ID: id, Value: values[i]}
			n.count(before, id, values[i])
			before = id
		}
		if err := f(records); err != nil {
			return n, err
		}
	}
	return n, nil
}
