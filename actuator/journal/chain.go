package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
)

// record is an entry as it is stored: with its own hash and that of the one before. The hash is taken
// over the exact bytes, so that it still holds when the entry's type has changed.
type record struct {
	prev, hash string
	entry      []byte
}

// The text around the parts of a record. It is fixed to the byte, so that there is one way only to
// write a record and nothing can hide between the parts.
const (
	openPrev  = `{"prev":"`
	openHash  = `","hash":"`
	openEntry = `","entry":`
	closing   = `}`
	// hashLen is a SHA-256 in hexadecimal digits.
	hashLen = 2 * sha256.Size
)

// origin stands before the first entry.
func origin() cluster.Head { return cluster.Head{Hash: strings.Repeat("0", hashLen)} }

// digest is the SHA-256 over the hash before, as its 64 digits, and the entry's bytes.
func digest(prev string, entry []byte) string {
	h := sha256.New()
	h.Write([]byte(prev))
	h.Write(entry)
	return hex.EncodeToString(h.Sum(nil))
}

// seal makes the record that follows the one with the hash prev.
func seal(prev string, entry []byte) record {
	return record{prev: prev, hash: digest(prev, entry), entry: entry}
}

// bytes writes the record: one line of JSON without its end.
func (r record) bytes() []byte {
	return bytes.Join([][]byte{[]byte(openPrev), []byte(r.prev), []byte(openHash), []byte(r.hash), []byte(openEntry), r.entry, []byte(closing)}, nil)
}

// parse reads what bytes wrote. It does not look whether the hash is right.
func parse(b []byte) (record, error) {
	rest, ok := bytes.CutPrefix(b, []byte(openPrev))
	if !ok || len(rest) < hashLen {
		return record{}, errors.New("it does not begin with the hash of the one before")
	}
	prev, rest := rest[:hashLen], rest[hashLen:]
	if rest, ok = bytes.CutPrefix(rest, []byte(openHash)); !ok || len(rest) < hashLen {
		return record{}, errors.New("it has no hash of its own")
	}
	hash, rest := rest[:hashLen], rest[hashLen:]
	if rest, ok = bytes.CutPrefix(rest, []byte(openEntry)); !ok {
		return record{}, errors.New("it holds no entry")
	}
	if rest, ok = bytes.CutSuffix(rest, []byte(closing)); !ok {
		return record{}, errors.New("its end is missing")
	}
	return record{prev: string(prev), hash: string(hash), entry: bytes.Clone(rest)}, nil
}

// decode reads the entry in a record.
func (r record) decode() (cluster.Entry, error) {
	var e cluster.Entry
	err := json.Unmarshal(r.entry, &e)
	return e, err
}

func entriesBucket() []byte { return []byte("entries") }

// chainBucket holds the anchor. A journal without it was written before there was a chain.
func chainBucket() []byte { return []byte("chain") }

func anchorKey() []byte { return []byte("anchor") }

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// number reads a key, and gives 0, which no entry has, for what is none.
func number(k []byte) uint64 {
	if len(k) != len(key(0)) {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}

// anchor returns the last entry that was moved out, or the origin.
func anchor(tx *bbolt.Tx) (cluster.Head, error) {
	b := tx.Bucket(chainBucket())
	if b == nil {
		return cluster.Head{}, errors.New("the journal was written by a version without a chain of hashes; a server takes it into one when it opens it")
	}
	var h cluster.Head
	if err := json.Unmarshal(b.Get(anchorKey()), &h); err != nil {
		return cluster.Head{}, fmt.Errorf("read where the chain begins: %w", err)
	}
	return h, nil
}

func setAnchor(tx *bbolt.Tx, h cluster.Head) error {
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return tx.Bucket(chainBucket()).Put(anchorKey(), b)
}

// prepare makes the buckets where they are missing, and takes entries that were written before there
// was a chain into one. It returns how many those were.
func prepare(tx *bbolt.Tx) (adopted int, err error) {
	b, err := tx.CreateBucketIfNotExists(entriesBucket())
	if err != nil {
		return 0, err
	}
	if tx.Bucket(chainBucket()) != nil {
		return 0, nil // what has no hash now was changed, and must not get one
	}
	if _, err := tx.CreateBucket(chainBucket()); err != nil {
		return 0, err
	}
	var keys [][]byte
	if err := b.ForEach(func(k, _ []byte) error { keys = append(keys, bytes.Clone(k)); return nil }); err != nil {
		return 0, err
	}
	prev := origin().Hash
	for _, k := range keys {
		r := seal(prev, bytes.Clone(b.Get(k)))
		if err := b.Put(k, r.bytes()); err != nil {
			return 0, err
		}
		prev = r.hash
	}
	return len(keys), setAnchor(tx, origin())
}
