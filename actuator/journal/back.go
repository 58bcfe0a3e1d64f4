package journal

import (
	"context"
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
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
			read, err := j.earlier(before)
			if err != nil {
				return err
			}
			for _, one := range read {
				h, e := told(one.seq, one.value)
				if !f(h, e) {
					return nil
				}
			}
			if len(read) < batch {
				return nil
			}
			before = read[len(read)-1].seq
		}
	})
	if err != nil {
		return fmt.Errorf("read journal %s: %w", j.path, err)
	}
	return nil
}

// kept is a record as it stands in the file.
type kept struct {
	seq   uint64
	value []byte
}

// earlier reads one batch of records before a number, newest first. No transaction is open when it returns.
func (j *Journal) earlier(before uint64) ([]kept, error) {
	var read []kept
	err := j.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(entriesBucket()).Cursor()
		k, v := c.Last()
		if before > 0 {
			if k, v = c.Seek(key(before)); k == nil {
				k, v = c.Last()
			}
			for k != nil && number(k) >= before {
				k, v = c.Prev()
			}
		}
		for ; k != nil && len(read) < batch; k, v = c.Prev() {
			read = append(read, kept{number(k), append([]byte(nil), v...)})
		}
		return nil
	})
	return read, err
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
