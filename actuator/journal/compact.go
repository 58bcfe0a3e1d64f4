package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Compaction says what was moved out. The zero value says: nothing.
type Compaction struct {
	cluster.Span
	// File is the archive that holds it now.
	File string
}

// Compact moves the oldest entries out to a file in journal-archive beside the journal, and returns
// which. It takes the longest run from the beginning of entries that were written before that time
// and that keep, which is asked about each, does not hold back; and it never parts the entries of one
// case, for a case without its beginning could not be read. Numbers go on as if nothing had happened.
//
// The file is whole and on disk before one step takes the entries out. After a crash between
// the two they stand in both, and the next run clears that up. Nothing is moved out when a part of it
// was changed: that would take the proof away.
func (j *Journal) Compact(ctx context.Context, before time.Time, keep func(cluster.Entry) bool) (Compaction, error) {
	j.upkeep.Lock()
	defer j.upkeep.Unlock()
	done, err := j.compact(ctx, before, keep)
	if err != nil {
		return Compaction{}, fmt.Errorf("compact the journal: %w", withAdvice(err, filepath.Join(j.dir, archiveDir)))
	}
	return done, nil
}

func (j *Journal) compact(ctx context.Context, before time.Time, keep func(cluster.Entry) bool) (Compaction, error) {
	ends, err := j.shelf.Ends(ctx)
	if err != nil {
		return Compaction{}, err
	}
	from, to := ends.Anchor, cluster.Head{}
	if err := j.clearUp(ctx, from); err != nil {
		return Compaction{}, err
	}
	last := j.Head().Seq
	cut, moved, err := j.choose(ctx, last, before, keep)
	if err != nil || cut == 0 {
		return Compaction{}, err
	}
	span := cluster.Span{First: from.Seq + 1, Last: cut}
	path := j.archivePath(span)
	if err := writeArchive(path, func(line func([]byte) error) error {
		to, err = j.export(ctx, from, cut, line)
		return err
	}); err != nil {
		return Compaction{}, fmt.Errorf("write %s: %w", path, err)
	}
	if err := j.shelf.TakeOut(ctx, span, to, last, apart(moved)); err != nil {
		return Compaction{}, err
	}
	return Compaction{Span: span, File: path}, nil
}

// choose returns the last entry that may be moved out, or 0, and the cases that go with it.
func (j *Journal) choose(ctx context.Context, last uint64, before time.Time, keep func(cluster.Entry) bool) (uint64, map[string]bool, error) {
	ends := map[string]uint64{} // the last entry of each case
	var old []cluster.Entry     // without what they carry
	over := false
	err := j.walk(ctx, last, func(seq uint64, v []byte) error {
		r, err := parse(v)
		var e cluster.Entry
		if err == nil {
			e, err = r.decode()
		}
		if err != nil {
			return fmt.Errorf("entry %d cannot be read: %w", seq, err)
		}
		ends[caseOf(e)] = e.Seq
		if over = over || !e.At.Before(before) || keep(e); !over {
			old = append(old, cluster.Entry{Seq: e.Seq, ID: caseOf(e)})
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	cut, reach := uint64(0), uint64(0)
	for _, e := range old {
		if e.ID != "" { // what is about no case binds nothing
			reach = max(reach, ends[e.ID])
		}
		if reach <= e.Seq {
			cut = e.Seq
		}
	}
	moved := map[string]bool{}
	for _, e := range old {
		if e.Seq <= cut && e.ID != "" {
			moved[e.ID] = true
		}
	}
	return cut, moved, nil
}

// caseOf is the case that the entry is about, "" for none: an order is known by its ID again and again, for years.
func caseOf(e cluster.Entry) string {
	if !e.AboutCase() {
		return ""
	}
	return e.ID
}

// export writes the records up to the cut, and sees that the chain is whole.
func (j *Journal) export(ctx context.Context, from cluster.Head, cut uint64, line func([]byte) error) (cluster.Head, error) {
	c := &checker{prev: from}
	err := j.walk(ctx, cut, func(seq uint64, v []byte) error {
		c.next(seq, v)
		if c.flaw != nil {
			return fmt.Errorf("%s; nothing is moved out, see evenkeel history --verify", c.flaw)
		}
		return line(v)
	})
	return c.prev, err
}

// apart says whether a record that came meanwhile is of none of the cases that are about to be moved out.
func apart(moved map[string]bool) func([]byte) error {
	return func(v []byte) error {
		r, err := parse(v)
		if err != nil {
			return err
		}
		if e, err := r.decode(); err != nil || moved[caseOf(e)] {
			return errors.Join(err, errors.New("a case went on that was about to be moved out; the next run sees to it"))
		}
		return nil
	}
}

// clearUp takes away what a run left behind that did not come to its end: files that are not whole,
// and archives of entries that the journal still holds.
func (j *Journal) clearUp(ctx context.Context, from cluster.Head) error {
	unfinished, err := filepath.Glob(filepath.Join(j.dir, archiveDir, "*"+archiveSuffix+temporary))
	if err != nil {
		return err
	}
	files, err := j.archives()
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Last <= from.Seq {
			continue
		}
		if err := j.holds(ctx, f); err != nil {
			return err
		}
		unfinished = append(unfinished, f.path)
	}
	for _, path := range unfinished {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// holds looks whether the journal holds all of an archive, byte for byte.
func (j *Journal) holds(ctx context.Context, f archive) error {
	seq, read := f.First, []Record(nil)
	return readArchive(ctx, f.path, func(line []byte) error {
		if len(read) == 0 {
			var err error
			if read, err = j.shelf.After(ctx, seq-1, batch); err != nil {
				return err
			}
		}
		if len(read) == 0 || read[0].Seq != seq || !bytes.Equal(read[0].Value, line) {
			return fmt.Errorf("%s holds an entry %d that is not the journal's: one of the two was changed or comes from elsewhere; see evenkeel history --verify, and move the file away when you know which", f.path, seq)
		}
		seq, read = seq+1, read[1:]
		return nil
	})
}
