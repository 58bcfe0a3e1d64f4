package journal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Export writes all that stands in the journal to a file in a directory, in the form of an archive, and returns what that holds.
// Restore makes a journal of it. The chain is followed meanwhile; where it is broken nothing is written.
func (j *Journal) Export(ctx context.Context, dir string) (Compaction, error) {
	done, err := j.exportTo(ctx, dir)
	if err != nil {
		return Compaction{}, fmt.Errorf("export journal %s: %w", j.name, err)
	}
	return done, nil
}

func (j *Journal) exportTo(ctx context.Context, dir string) (Compaction, error) {
	ends, err := j.shelf.Ends(ctx)
	if err != nil {
		return Compaction{}, err
	}
	span := cluster.Span{First: ends.Anchor.Seq + 1, Last: ends.Last.Seq}
	if span.Last < span.First {
		return Compaction{}, errors.New("there are no entries")
	}
	path := filepath.Join(dir, archiveName(span))
	return Compaction{Span: span, File: path}, writeArchive(path, func(line func([]byte) error) error {
		_, err := j.export(ctx, ends.Anchor, span.Last, line)
		return err
	})
}

// Salvage looks through a file for entries that are as they were written, also where bbolt finds its way no more, and exports them:
// a file for each run without a gap, oldest first. The file is not changed.
func Salvage(ctx context.Context, path, dir string) ([]Compaction, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("salvage journal: %w", err)
	}
	var done []Compaction
	for _, run := range runs(intact(content)) {
		span := cluster.Span{First: run[0].seq, Last: run[len(run)-1].seq}
		file := filepath.Join(dir, archiveName(span))
		if err := writeArchive(file, func(line func([]byte) error) error {
			for _, f := range run {
				if err := errors.Join(ctx.Err(), line(f.bytes())); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return nil, fmt.Errorf("salvage journal %s: %w", path, err)
		}
		done = append(done, Compaction{Span: span, File: file})
	}
	if len(done) == 0 {
		return nil, fmt.Errorf("salvage journal %s: there is no entry in it that is as it was written", path)
	}
	return done, nil
}

// found is a record whose hash is right, and its number.
type found struct {
	record
	seq uint64
}

// intact finds the records in a file's bytes whose hashes are right, by their hashes. bbolt keeps each in one piece.
func intact(content []byte) map[string]found {
	list := map[string]found{}
	for {
		at := bytes.Index(content, []byte(openPrev))
		if at < 0 {
			return list
		}
		content = content[at:]
		var text json.RawMessage
		if json.NewDecoder(bytes.NewReader(content)).Decode(&text) != nil {
			content = content[len(openPrev):]
			continue
		}
		content = content[len(text):]
		r, err := parse(text)
		if err != nil || digest(r.prev, r.entry) != r.hash {
			continue
		}
		if e, err := r.decode(); err == nil {
			list[r.hash] = found{record: r, seq: e.Seq}
		}
	}
}

// runs follows the chains back from the newest record. What was never acknowledged and gave way to another leads nowhere.
func runs(all map[string]found) [][]found {
	newest := slices.SortedFunc(maps.Values(all), func(a, b found) int { return cmp.Compare(b.seq, a.seq) })
	var list [][]found
	before := ^uint64(0)
	for _, f := range newest {
		if f.seq >= before {
			continue
		}
		run := []found{f}
		for prev, ok := all[f.prev]; ok && prev.seq+1 == run[len(run)-1].seq; prev, ok = all[prev.prev] {
			run = append(run, prev)
		}
		slices.Reverse(run)
		before = run[0].seq
		list = append(list, run)
	}
	slices.Reverse(list)
	return list
}

// Restore puts what an export or an archive holds into a journal to which nothing was written yet, byte for byte, and verifies it.
// What came before stays moved out: its archives go to journal-archive beside the journal.
func Restore(ctx context.Context, path string, to *Journal) (cluster.Verification, error) {
	got, err := restore(ctx, path, to)
	if err != nil {
		return cluster.Verification{}, fmt.Errorf("restore journal %s from %s: %w", to.name, path, err)
	}
	return got, nil
}

func restore(ctx context.Context, path string, to *Journal) (cluster.Verification, error) {
	var none cluster.Verification
	there, err := verifyArchive(ctx, path, cluster.Head{})
	if err != nil {
		return none, err
	}
	if there.Flaw != nil {
		return none, fmt.Errorf("%s; nothing is restored", there.Flaw)
	}
	var last cluster.Head
	if err := readArchive(ctx, path, func(line []byte) error {
		r, err := parse(line)
		if err != nil {
			return err
		}
		if last.Hash == "" {
			span, _ := spanOf(filepath.Base(path)) // it was verified under that name
			last = cluster.Head{Seq: span.First - 1, Hash: r.prev}
			if err := to.shelf.Begin(ctx, last); err != nil {
				return err
			}
		}
		added := cluster.Head{Seq: last.Seq + 1, Hash: r.hash}
		err = to.shelf.Put(last, added, line)
		last = added
		return err
	}); err != nil {
		return none, err
	}
	return to.isAllOf(ctx, there)
}
