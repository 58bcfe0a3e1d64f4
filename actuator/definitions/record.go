package definitions

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
)

// A version stands under its VM's UUID, a zero byte and its number, so that those of a VM follow each other. Its value is
//
//	the length of the note (4 bytes), the note (JSON: name, host, time), a random nonce, the XML encrypted
//
// Key and note are authenticated with the XML: what belongs to another VM, or was changed, does not open.
func versionsBucket() []byte { return []byte("versions") }

// note is what is said of a version in clear text.
type note struct {
	Name string    `json:"name"`
	Host string    `json:"host"`
	At   time.Time `json:"at"`
}

func key(vm string, version uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(vm), 0), version)
}

// numberLen is how long the end of a key is: the zero byte and the version.
const numberLen = 1 + 8

func belongs(k []byte, vm string) bool {
	return len(k) == len(vm)+numberLen && bytes.HasPrefix(k, append([]byte(vm), 0))
}

func vmOf(k []byte) string { return string(k[:max(0, len(k)-numberLen)]) }

// versionOf returns the number in a key, and 0 of a key that was damaged.
func versionOf(k []byte) uint64 {
	if len(k) < numberLen {
		return 0
	}
	return binary.BigEndian.Uint64(k[len(k)-8:])
}

// last puts the cursor on the VM's newest version. It may also end up on another VM's.
func last(c *bbolt.Cursor, vm string) (k, v []byte) {
	k, v = c.Seek(key(vm, ^uint64(0)))
	switch {
	case k == nil:
		return c.Last()
	case belongs(k, vm):
		return k, v
	}
	return c.Prev()
}

// newest returns the VM's newest version, or nil.
func newest(b *bbolt.Bucket, vm string) (k, v []byte) {
	if k, v = last(b.Cursor(), vm); k == nil || !belongs(k, vm) {
		return nil, nil
	}
	return k, v
}

// bound is what is authenticated with the XML.
func bound(k, text []byte) []byte { return bytes.Join([][]byte{k, text}, nil) }

func (s *Store) sealed(k []byte, d cluster.Definition) ([]byte, error) {
	text, err := json.Marshal(note{d.Name, d.Host, d.At})
	if err != nil {
		return nil, err
	}
	v := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	v = append(v, text...)
	return s.seal.Seal(v, nil, []byte(d.XML), bound(k, text)), nil
}

// unseal reads a version. The error names its VM; with it comes what the key says.
func (s *Store) unseal(k, v []byte) (cluster.Definition, error) {
	d := cluster.Definition{VM: vmOf(k), Version: versionOf(k)}
	bad := func(err error) (cluster.Definition, error) {
		return cluster.Definition{VM: d.VM, Version: d.Version}, fmt.Errorf("%s cannot be read: %w", d, err)
	}
	if len(v) < 4 || uint64(len(v)) < 4+uint64(binary.BigEndian.Uint32(v)) {
		return bad(errors.New("it was cut off"))
	}
	text, rest := v[4:4+binary.BigEndian.Uint32(v)], v[4+binary.BigEndian.Uint32(v):]
	var n note
	if json.Unmarshal(text, &n) == nil {
		d.Name, d.Host, d.At = n.Name, n.Host, n.At
	}
	xml, err := s.seal.Open(nil, nil, rest, bound(k, text))
	if err != nil {
		return bad(errors.New("it was changed or cut off, or belongs to another key; bring the file back from a backup, or use another version"))
	}
	d.XML = string(xml)
	return d, nil
}
