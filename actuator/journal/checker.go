package journal

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// checker follows the chain and keeps the first thing that is wrong.
type checker struct {
	// prev is the entry before. An empty hash means that it is not known: its archive is elsewhere.
	prev  cluster.Head
	entry cluster.EntryKind
	at    time.Time
	// file is the archive that is being read.
	file string
	// want are hashes that are known from elsewhere, by number. What was met is taken out.
	want map[uint64]string
	flaw *cluster.Flaw
}

func newChecker(want cluster.Head) *checker {
	c := &checker{want: map[uint64]string{}}
	if want.Seq != 0 {
		c.want[want.Seq] = want.Hash
	}
	return c
}

// fail keeps the flaw when it is the first.
func (c *checker) fail(kind cluster.FlawKind, seq uint64, e cluster.Entry, detail string, args ...any) {
	if c.flaw == nil {
		c.flaw = &cluster.Flaw{Kind: kind, Seq: seq, Entry: e.Kind, At: e.At, File: c.file, Detail: fmt.Sprintf(detail, args...)}
	}
}

// next looks at a record that is filed under a number, and returns the entry as far as it can be read.
func (c *checker) next(seq uint64, value []byte) cluster.Entry {
	r, err := parse(value)
	var e cluster.Entry
	if err == nil {
		e, err = r.decode()
	}
	due := c.prev.Seq + 1
	switch {
	case seq > due:
		c.fail(cluster.FlawMissing, due, cluster.Entry{}, "the next that is there is %d", seq)
	case seq < due:
		c.fail(cluster.FlawOutOfOrder, seq, e, "%d is due here", due)
	case err != nil:
		c.fail(cluster.FlawUnreadable, seq, e, "%v", err)
	case e.Seq != seq:
		c.fail(cluster.FlawOutOfOrder, seq, e, "what stands here calls itself entry %d", e.Seq)
	case r.hash != digest(r.prev, r.entry):
		c.fail(cluster.FlawChanged, seq, e, "it does not have the hash %.12s… that was written with it", r.hash)
	case c.prev.Hash != "" && r.prev != c.prev.Hash:
		c.fail(cluster.FlawChanged, c.prev.Seq, cluster.Entry{Kind: c.entry, At: c.at},
			"it has the hash %.12s…, and entry %d was written behind one with %.12s…: it was replaced, hash and all", c.prev.Hash, seq, r.prev)
	}
	if want, ok := c.want[seq]; ok {
		c.compare(e, cluster.Head{Seq: seq, Hash: r.hash}, want)
	}
	c.prev, c.entry, c.at = cluster.Head{Seq: seq, Hash: r.hash}, e.Kind, e.At
	return e
}

// compare holds an entry against a hash that is known from elsewhere.
func (c *checker) compare(e cluster.Entry, found cluster.Head, want string) {
	delete(c.want, found.Seq)
	if found.Hash != want {
		c.fail(cluster.FlawChanged, found.Seq, e, "it has the hash %.12s…, and was seen elsewhere with %.12s…: it or one before it was replaced, and the hashes made anew", found.Hash, want)
	}
}

// end looks for what should have come: entries up to the last that was numbered, and those that are
// known from elsewhere.
func (c *checker) end(v cluster.Verification, written uint64) {
	if c.prev.Seq < written {
		c.fail(cluster.FlawMissing, c.prev.Seq+1, cluster.Entry{}, "the end is cut off; %d entries were written", written)
	}
	if want, ok := c.want[v.Anchor.Seq]; ok {
		c.compare(cluster.Entry{}, v.Anchor, want)
	}
	for seq := range c.want {
		switch {
		case seq > c.prev.Seq:
			c.fail(cluster.FlawMissing, seq, cluster.Entry{}, "it was seen elsewhere, and the journal ends with %d: its end was cut off", c.prev.Seq)
		default:
			c.fail(cluster.FlawMissing, seq, cluster.Entry{}, "it was moved out and its archive is not in %s: bring it back, or compare with a newer head", archiveDir)
		}
	}
}

// lineNumber is the number that a line of an archive gives itself, or else the one that is due.
func (c *checker) lineNumber(line []byte) uint64 {
	if r, err := parse(line); err == nil {
		if e, err := r.decode(); err == nil {
			return e.Seq
		}
	}
	return c.prev.Seq + 1
}
