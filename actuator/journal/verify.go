package journal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// batch is how many entries are read at once. While a transaction is open the file cannot grow, so a
// walk along a long journal must not be a single one.
const batch = 500

// Verify walks along the whole chain, that of the archives beside the journal included, and says
// what it found; the error is about the reading, not about what was read. With want, a head that was
// kept elsewhere, that entry must be there with that hash; the zero Head asks for nothing.
func (j *Journal) Verify(ctx context.Context, want cluster.Head) (cluster.Verification, error) {
	j.upkeep.Lock()
	defer j.upkeep.Unlock()
	var v cluster.Verification
	err := guarded(func() (err error) {
		v, err = j.verify(ctx, want)
		return err
	})
	if err != nil {
		return v, fmt.Errorf("verify journal %s: %w", j.name, err)
	}
	return v, nil
}

func (j *Journal) verify(ctx context.Context, want cluster.Head) (cluster.Verification, error) {
	var v cluster.Verification
	ends, err := j.shelf.Ends(ctx)
	if err != nil && ends.Anchor == (cluster.Head{}) {
		return v, err // a last entry that cannot be read is met again, and told as what it is
	}
	v.Anchor = ends.Anchor
	c := newChecker(want)
	if err := j.verifyArchives(ctx, c, &v); err != nil {
		return v, err
	}
	if c.prev != v.Anchor {
		c.prev, c.entry, c.at = v.Anchor, cluster.EntryNone, time.Time{}
	}
	if err := j.walk(ctx, math.MaxUint64, func(seq uint64, value []byte) error {
		count(&v, c.next(seq, value))
		return nil
	}); err != nil {
		return v, err
	}
	c.end(v, ends.Written)
	v.Head, v.Flaw = c.prev, c.flaw
	return v, nil
}

// VerifyFile verifies the journal in a file that no server has, or a single archive by itself, of
// which the name ends in .jsonl.
func VerifyFile(ctx context.Context, path string, want cluster.Head) (cluster.Verification, error) {
	if strings.HasSuffix(path, archiveSuffix) {
		return verifyArchive(ctx, path, want)
	}
	j, err := OpenReadOnly(path)
	if err != nil {
		return cluster.Verification{}, err
	}
	v, err := j.Verify(ctx, want)
	return v, errors.Join(err, j.Close())
}

// verifyArchive follows the chain within one archive. What comes before is known by its hash alone.
func verifyArchive(ctx context.Context, path string, want cluster.Head) (cluster.Verification, error) {
	span, ok := spanOf(filepath.Base(path))
	if !ok {
		return cluster.Verification{}, fmt.Errorf("%s is no name of an archive; they are called journal-FIRST-LAST%s", path, archiveSuffix)
	}
	c := newChecker(want)
	c.prev.Seq = span.First - 1
	v := cluster.Verification{Absent: absent(nil, 0, span.First-1)}
	err := readArchive(ctx, path, func(line []byte) error {
		count(&v, c.next(c.lineNumber(line), line))
		return nil
	})
	c.end(v, span.Last)
	v.Head, v.Flaw = c.prev, c.flaw
	return v, err
}

// walk calls f for every record up to a number, oldest first. No transaction is open then, so that f
// may take its time and even append.
func (j *Journal) walk(ctx context.Context, upTo uint64, f func(seq uint64, value []byte) error) error {
	for after := uint64(0); ; {
		read, err := j.shelf.After(ctx, after, batch)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for _, r := range read {
			if r.Seq > upTo {
				return nil
			}
			if err := f(r.Seq, r.Value); err != nil {
				return err
			}
		}
		if len(read) < batch || read[len(read)-1].Seq <= after { // what has no number stands at the end
			return nil
		}
		after = read[len(read)-1].Seq
	}
}

// guarded turns what bbolt does about damaged pages, which is to panic, into an error.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged (%v): bring it back from a backup, or from an export with evenkeel store restore, and check the disk", p)
		}
	}()
	return f()
}

// verifyArchives follows the chain through the archives up to where the journal begins.
func (j *Journal) verifyArchives(ctx context.Context, c *checker, v *cluster.Verification) error {
	files, err := j.archives()
	if err != nil {
		return err
	}
	c.prev = origin()
	for _, f := range files {
		leftover := f.Last > v.Anchor.Seq // written before a crash; its entries stand in the journal as well
		switch {
		case leftover:
			v.Absent = absent(v.Absent, c.prev.Seq, v.Anchor.Seq)
			c.prev = v.Anchor
		case f.First > c.prev.Seq+1:
			v.Absent = absent(v.Absent, c.prev.Seq, f.First-1)
			c.prev = cluster.Head{Seq: f.First - 1}
		}
		c.file = filepath.Base(f.path)
		n := uint64(0)
		if err := readArchive(ctx, f.path, func(line []byte) error {
			n++
			c.next(c.lineNumber(line), line)
			return nil
		}); err != nil {
			return err
		}
		if c.prev.Seq != f.Last {
			c.fail(cluster.FlawMissing, c.prev.Seq+1, cluster.Entry{}, "the file's name says that it ends with %d", f.Last)
		}
		c.file = ""
		if leftover {
			if _, asked := c.want[c.prev.Seq]; !asked {
				c.want[c.prev.Seq] = c.prev.Hash
			}
			c.prev = v.Anchor
			continue
		}
		v.Archives++
		v.Archived += n
	}
	v.Absent = absent(v.Absent, c.prev.Seq, v.Anchor.Seq)
	if c.prev.Seq == v.Anchor.Seq && c.prev.Hash != v.Anchor.Hash {
		c.fail(cluster.FlawChanged, v.Anchor.Seq, cluster.Entry{Kind: c.entry, At: c.at}, "its archive ends with the hash %.12s…, and the journal goes on from %.12s…", c.prev.Hash, v.Anchor.Hash)
	}
	return nil
}

// count adds an entry to those that stand there.
func count(v *cluster.Verification, e cluster.Entry) {
	v.Entries++
	if v.To = e.At; v.Entries == 1 {
		v.From = e.At
	}
}

// absent adds the entries after one and up to another, if there are any.
func absent(spans []cluster.Span, after, upTo uint64) []cluster.Span {
	if upTo > after {
		spans = append(spans, cluster.Span{First: after + 1, Last: upTo})
	}
	return spans
}
