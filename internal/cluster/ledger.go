package cluster

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Head names an entry of the journal by its number and hash. The hash stands for that entry and for
// all before it, so a head that was written down elsewhere proves what the journal held then.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// hashBytes is the length of a hash: SHA-256.
const hashBytes = 32

// ParseHead reads a head as String writes it.
func ParseHead(s string) (Head, error) {
	number, hash, _ := strings.Cut(strings.TrimSpace(s), ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	raw, notHex := hex.DecodeString(hash)
	if err != nil || seq == 0 || notHex != nil || len(raw) != hashBytes {
		return Head{}, fmt.Errorf("%q is no head of a journal; write it as NUMBER:HASH, as evenkeel history --verify prints it", s)
	}
	return Head{Seq: seq, Hash: strings.ToLower(hash)}, nil
}

// String writes the number and the hash, with a colon between.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// Verification is what a walk along the journal's chain found.
type Verification struct {
	// Entries counts what stands in the journal, Archived what stands in the archives beside it.
	Entries  uint64 `json:"entries"`
	Archived uint64 `json:"archived_entries"`
	// Archives counts the archives' files.
	Archives int `json:"archives"`
	// From and To are the times of the oldest and the newest entry in the journal.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Anchor is the last entry that was moved out. Its number is 0 when none ever was.
	Anchor Head `json:"anchor"`
	// Head is the last entry.
	Head Head `json:"head"`
	// Absent are the entries that were moved out and whose archives are not beside the journal.
	Absent []Span `json:"absent,omitempty"`
	// Flaw is the first thing that is wrong, or nil.
	Flaw *Flaw `json:"flaw,omitempty"`
}

// Span is a run of entries by their numbers, both ends included.
type Span struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// String writes the span for people.
func (s Span) String() string {
	if s.First == s.Last {
		return fmt.Sprintf("entry %d", s.First)
	}
	return fmt.Sprintf("entries %d to %d", s.First, s.Last)
}

// FlawKind says what is wrong with an entry of the journal. There is no flaw of the zero kind.
type FlawKind uint8

// The kinds of flaw.
const (
	FlawNone FlawKind = iota
	FlawChanged
	FlawMissing
	FlawOutOfOrder
	FlawUnreadable
)

func flawKinds() []string {
	return []string{"none", "changed", "missing", "out_of_order", "unreadable"}
}

func (k FlawKind) String() string { return nameOf(flawKinds(), k) }

// MarshalText writes the kind's name.
func (k FlawKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *FlawKind) UnmarshalText(b []byte) error {
	return parseName("kind of flaw", flawKinds(), string(b), k)
}

// Flaw is one thing that is wrong with the journal.
type Flaw struct {
	Kind FlawKind `json:"kind"`
	// Seq is the number that the entry has, or should have.
	Seq uint64 `json:"seq"`
	// Entry and At are what the entry says of itself, as far as that can be read.
	Entry EntryKind `json:"entry"`
	At    time.Time `json:"at,omitzero"`
	// File is the archive that it stands in; empty for the journal itself.
	File string `json:"file,omitempty"`
	// Detail says how it shows.
	Detail string `json:"detail"`
}

// String writes the flaw as a sentence for people.
func (f Flaw) String() string {
	text := fmt.Sprintf("entry %d", f.Seq)
	if f.Entry != EntryNone {
		text += fmt.Sprintf(" (%s, %s)", f.Entry, f.At.UTC().Format(time.RFC3339))
	}
	if f.File != "" {
		text += " in " + f.File
	}
	words := map[FlawKind]string{FlawChanged: "was changed", FlawMissing: "is missing", FlawOutOfOrder: "is out of order", FlawUnreadable: "cannot be read"}
	return text + " " + words[f.Kind] + ": " + f.Detail
}
