package etcdstore

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/evenkeel/evenkeel/actuator/memory"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// chunkBytes is how much of a document stands under one key, in bytes.
const chunkBytes = 512 << 10

// documentMost is how large a document may be when it is unpacked, in bytes, so that a damaged one cannot fill the memory.
const documentMost = 1 << 30

// document is what a room must not forget: the key memory/NAME, which points to a generation, and memory/NAME/GENERATION/NUMBER for
// its chunks, packed. The pointer is written last, so that nobody reads half of one.
type document struct {
	store *Store
	term  *Term // nil: it may be read only
	name  string
}

// pointer says where the chunks of a document are, and what they must make.
type pointer struct {
	Generation uint64 `json:"generation"`
	Chunks     int    `json:"chunks"`
	Hash       string `json:"sha256"` // of what is packed
}

// Document is where the memory of that name is kept, to be written while the term lasts; without a term, nil, it can be read only.
func (s *Store) Document(t *Term, name string) memory.Place {
	return &document{store: s, term: t, name: name}
}

// String says where it is, for errors.
func (d *document) String() string { return "etcd " + d.key() }

func (d *document) key() string { return d.store.prefix + "memory/" + d.name }

func (d *document) generation(n uint64) string { return d.key() + "/" + digits(n) + "/" }

// Read is part of memory.Place. Pointer and chunks are read as of one moment.
func (d *document) Read() ([]byte, error) {
	for range attempts {
		text, err := d.read()
		if !errors.Is(err, rpctypes.ErrCompacted) { // else that moment is gone already
			return text, err
		}
	}
	return nil, errors.New("it changes faster than it can be read; try again")
}

func (d *document) read() ([]byte, error) {
	p, at, err := d.pointer()
	if err != nil || p == nil {
		return nil, err
	}
	var packed bytes.Buffer
	for n := range p.Chunks {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		got, err := d.store.client.Get(ctx, d.generation(p.Generation)+digits(uint64(n)), clientv3.WithRev(at.revision))
		cancel()
		if err != nil {
			return nil, withAdvice(err)
		}
		packed.Write(only(got.Kvs))
	}
	if sum(packed.Bytes()) != p.Hash {
		return nil, fmt.Errorf("generation %d is not what was written: it was changed or is there in part", p.Generation)
	}
	return unpacked(&packed)
}

// moment is when a pointer was read, and which one it was.
type moment struct{ revision, modified int64 }

// pointer is nil where nothing is kept.
func (d *document) pointer() (*pointer, moment, error) {
	got, err := d.store.read(clientv3.OpGet(d.key()))
	if err != nil {
		return nil, moment{}, err
	}
	at := moment{revision: got.Header.Revision}
	kvs := got.Responses[0].GetResponseRange().Kvs
	if len(kvs) == 0 {
		return nil, at, nil
	}
	at.modified = kvs[0].ModRevision
	var p pointer
	if err := json.Unmarshal(kvs[0].Value, &p); err != nil {
		return nil, at, err
	}
	return &p, at, nil
}

// Write is part of memory.Place.
func (d *document) Write(text []byte) error {
	if d.term == nil {
		return ErrDeposed
	}
	packed, err := pack(text)
	if err != nil {
		return err
	}
	was, at, err := d.pointer()
	if err != nil && at.modified == 0 {
		return err // one that cannot be read gives way to a new one
	}
	next := pointer{Generation: uint64(at.modified) + 1, Hash: sum(packed)} // larger than any before
	if was != nil {
		next.Generation = max(next.Generation, was.Generation+1)
	}
	for chunk := range slices.Chunk(packed, chunkBytes) {
		if err := d.term.write(clientv3.OpPut(d.generation(next.Generation)+digits(uint64(next.Chunks)), string(chunk))); err != nil {
			return err
		}
		next.Chunks++
	}
	return d.point(next, at)
}

// point puts the pointer, and takes all other generations away.
func (d *document) point(to pointer, at moment) error {
	text, err := json.Marshal(to)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := d.store.client.Txn(ctx).
		If(d.term.holds(), clientv3.Compare(clientv3.ModRevision(d.key()), "=", at.modified)).
		Then(clientv3.OpPut(d.key(), string(text)),
			clientv3.OpDelete(d.key()+"/", clientv3.WithRange(d.generation(to.Generation))),
			clientv3.OpDelete(d.generation(to.Generation+1), clientv3.WithRange(clientv3.GetPrefixRangeEnd(d.key()+"/")))).Commit()
	if err != nil {
		return withAdvice(err)
	}
	if got.Succeeded {
		return nil
	}
	if err := d.term.Confirm(ctx); err != nil {
		return err
	}
	return errors.New("something else wrote it meanwhile; the next time goes on from there")
}

func pack(text []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(text)
	err = errors.Join(err, w.Close())
	return packed.Bytes(), err
}

func unpacked(packed io.Reader) ([]byte, error) {
	r, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, documentMost+1))
	if err == nil && len(text) > documentMost {
		err = fmt.Errorf("it has more than %d bytes", documentMost)
	}
	return text, err
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// only is the value of the one key that was asked for, nil where it is not there.
func only(kvs []*mvccpb.KeyValue) []byte {
	if len(kvs) == 0 {
		return nil
	}
	return kvs[0].Value
}
