package recovery

import (
	"maps"
	"time"
)

// Memory is what a tracker must not forget when the server ends: where VMs run that should, and which of them do not. A VM that
// fell while nobody could decide about it, or that a person paused, looks afterwards like one that was never meant to run.
type Memory struct {
	// At is when it was so.
	At       time.Time              `json:"at"`
	Homes    map[string]Home        `json:"homes"`
	Troubles map[string]Trouble     `json:"troubles,omitempty"`
	Failed   map[string][]time.Time `json:"failed,omitempty"`
}

// Home is where a VM was last seen alive.
type Home struct {
	Host  string    `json:"host"`
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
	// Held tells that a person paused it, Left that its host let go of it and nobody has said yet where it is.
	Held bool `json:"held,omitempty"`
	Left bool `json:"left,omitempty"`
}

// Same tells whether both say the same, of whatever time.
func (m Memory) Same(o Memory) bool {
	return maps.Equal(m.Homes, o.Homes) &&
		maps.EqualFunc(m.Troubles, o.Troubles, func(a, b Trouble) bool { return a.Cause == b.Cause && a.Host == b.Host && a.Since.Equal(b.Since) }) &&
		maps.EqualFunc(m.Failed, o.Failed, func(a, b []time.Time) bool { return len(a) == len(b) })
}

// remembered is for how long a memory counts: the longer the server was away, the likelier is it that people did what it did not see.
const remembered = 30 * time.Minute

// Memory is what must not be forgotten.
func (t *Tracker) Memory(now time.Time) Memory {
	m := Memory{At: now, Homes: make(map[string]Home, len(t.homes)), Troubles: maps.Clone(t.troubles), Failed: maps.Clone(t.failed)}
	for vm, at := range t.homes {
		m.Homes[vm] = Home{Host: at.host, Name: at.name, Since: at.since, Held: at.held, Left: at.left}
	}
	return m
}

// Recall takes a memory over into a tracker that knows nothing yet, unless it is too old, and tells whether it did.
func (t *Tracker) Recall(m Memory, now time.Time) bool {
	if now.Sub(m.At) > remembered || m.At.After(now) {
		return false
	}
	for vm, at := range m.Homes {
		t.homes[vm] = home{host: at.Host, name: at.Name, at: m.At, since: at.Since, held: at.Held, left: at.Left}
		t.recalled[at.Host], t.kept[at.Host] = m.At, true // what Prometheus has of before is older
	}
	maps.Copy(t.troubles, m.Troubles)
	maps.Copy(t.failed, m.Failed)
	return true
}
