package definitions

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// The value of a version is
//
//	the length of the note (4 bytes), the note (JSON: name, host, time), a random nonce, the XML encrypted
//
// Its name and the note are authenticated with the XML: what belongs to another VM, or was changed, does not open.

// note is what is said of a version in clear text.
type note struct {
	Name string    `json:"name"`
	Host string    `json:"host"`
	At   time.Time `json:"at"`
}

// bound is what is authenticated with the XML.
func bound(id ID, text []byte) []byte { return bytes.Join([][]byte{key(id.VM, id.Version), text}, nil) }

func (s *Store) sealed(d cluster.Definition) (Record, error) {
	id := ID{VM: d.VM, Version: d.Version}
	text, err := json.Marshal(note{d.Name, d.Host, d.At})
	if err != nil {
		return Record{}, err
	}
	v := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	v = append(v, text...)
	return Record{ID: id, Value: s.seal.Seal(v, nil, []byte(d.XML), bound(id, text))}, nil
}

// unseal reads a version. The error names its VM; with it comes what its name says.
func (s *Store) unseal(id ID, v []byte) (cluster.Definition, error) {
	d := cluster.Definition{VM: id.VM, Version: id.Version}
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
	xml, err := s.seal.Open(nil, nil, rest, bound(id, text))
	if err != nil {
		return bad(errors.New("it was changed or cut off, or belongs to another key; bring the file back from a backup, or use another version"))
	}
	d.XML = string(xml)
	return d, nil
}
