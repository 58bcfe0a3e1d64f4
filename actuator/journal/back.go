package journal

import (
	"context"
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Back calls f for the entries before that number, newest first, until f says that it has enough or the context ends; 0 begins
// with the newest. Of an entry that cannot be read f gets the number alone. Archives are not read. The error is about the
// reading, and the context's where that ended.
func (j *Journal) Back(ctx context.Context, before uint64, f func(cluster.Head, cluster.Entry) bool) error {
	err := guarded(func() error {
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			read, err := j.shelf.Before(ctx, before, batch)
			if err != nil {
				return err
			}
			for _, one := range read {
				h, e := told(one.Seq, one.Value)
				if !f(h, e) {
					return nil
				}
			}
			if len(read) < batch {
				return nil
			}
			before = read[len(read)-1].Seq
		}
	})
	if err != nil {
		return fmt.Errorf("read journal %s: %w", j.name, err)
	}
	return nil
}

// told reads a record as far as that is possible.
func told(seq uint64, value []byte) (cluster.Head, cluster.Entry) {
	h := cluster.Head{Seq: seq}
	r, err := parse(value)
	if err != nil {
		return h, cluster.Entry{Seq: seq}
	}
	h.Hash = r.hash
	e, err := r.decode()
	if err != nil || e.Seq != seq {
		return h, cluster.Entry{Seq: seq}
	}
	return h, e
}
