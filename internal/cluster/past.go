package cluster

import "time"

// Movements are the changes between two times: which VMs ran on another host from one look to the next, and which run at the
// end and did not at the beginning, or the other way round.
type Movements struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// StepSeconds is the time from one look to the next: what happened between two looks may be missing.
	StepSeconds float64 `json:"step_seconds"`
	// SeenFrom and SeenTo are the first and the last look that saw anything at all. They are zero where none did.
	SeenFrom time.Time `json:"seen_from,omitzero"`
	SeenTo   time.Time `json:"seen_to,omitzero"`
	// Moves are the newest first.
	Moves []Move `json:"moves"`
	// Arrived run at the end and did not at the beginning, Left the other way round. Both are sorted by name.
	Arrived []Move `json:"arrived"`
	Left    []Move `json:"left"`
}

// Move is one VM that was seen on one host and then on another.
type Move struct {
	VM   string `json:"vm"`
	Name string `json:"name"`
	// From is empty for what arrived, To for what left.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Last is when it was last seen on From, At when it was first seen on To.
	Last time.Time `json:"last,omitzero"`
	At   time.Time `json:"at,omitzero"`
	// Recommendation is the ID of the one that made it, empty where somebody else did. What follows is of that one.
	Recommendation string `json:"recommendation,omitempty"`
	Policy         string `json:"policy,omitempty"`
	Reason         string `json:"reason,omitempty"`
	// By is whose word it was, empty where none was needed.
	By string `json:"by,omitempty"`
}

// JournalLine is an entry of the journal in words.
type JournalLine struct {
	Seq  uint64    `json:"seq"`
	Hash string    `json:"hash"`
	At   time.Time `json:"at"`
	Kind EntryKind `json:"kind"`
	// What says it in a sentence.
	What string `json:"what"`
	// Recommendation is the ID of the one that it is about, empty for others.
	Recommendation string `json:"recommendation,omitempty"`
	// About are the VMs, hosts and kinds of action that it touches, by the names that people use.
	About []string `json:"about,omitempty"`
	// Who said it and where, and what they wrote; empty where nobody did.
	Who  string `json:"who,omitempty"`
	Via  string `json:"via,omitempty"`
	Said string `json:"said,omitempty"`
	// Effect is what came of it.
	Effect string `json:"effect,omitempty"`
}

// Setting is one value of the configuration in force.
type Setting struct {
	// Key is its place in the file, for example "hosts[0].name".
	Key string `json:"key"`
	// Value is as one would write it, without secrets; empty for nothing.
	Value string `json:"value"`
	// Default is what would be in force without the line.
	Default string `json:"default"`
	// Set tells that the value is another than the default.
	Set bool `json:"set"`
	// Restricted tells that it says where things are rather than what is to happen: not everybody is told the value.
	Restricted bool `json:"restricted,omitempty"`
	// Withheld tells that the value is left out.
	Withheld bool `json:"withheld,omitempty"`
	// Meaning is a sentence on it, empty where there is none.
	Meaning string `json:"meaning,omitempty"`
}

// KindLevel is how much of a kind of action happens by itself now, as far as no host or VM holds it lower.
type KindLevel struct {
	Policy string `json:"policy"`
	Level  Level  `json:"level"`
	// Earned tells that the level is to be earned, Ceiling how far it can go: the level itself where it is not.
	Earned  bool  `json:"earned"`
	Ceiling Level `json:"ceiling"`
	// LowRisk needs no person at level partial. TwoPeople takes the yes of two.
	LowRisk   bool `json:"low_risk"`
	TwoPeople bool `json:"two_people"`
}
