package cluster

import "time"

// PowerState says whether a host has power, by the word of what switches it. The zero state is unknown:
// nothing may be concluded from it, and least of all that the host is off.
type PowerState uint8

// The states of a host's power.
const (
	PowerUnknown PowerState = iota
	PowerOn
	PowerOff
)

func powerStates() []string { return []string{"unknown", "on", "off"} }

func (s PowerState) String() string { return nameOf(powerStates(), s) }

// MarshalText writes the state's name.
func (s PowerState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *PowerState) UnmarshalText(b []byte) error {
	return parseName("power state", powerStates(), string(b), s)
}

// WakeProof is the last time that evenkeel woke a host, or tried to.
type WakeProof struct {
	Host string    `json:"host"`
	At   time.Time `json:"at"`
	// Woke tells that the host was back in the cluster, after Seconds.
	Woke    bool    `json:"woke"`
	Seconds float64 `json:"seconds"`
	// Reason says why it did not wake.
	Reason string `json:"reason,omitempty"`
}

// PowerReport says what came of asking for a host's power or of switching it.
type PowerReport struct {
	Host string `json:"host"`
	// State is what the last status said of Method, or unknown.
	State PowerState `json:"state"`
	// Method is whose status counted, and Level its place in the host's list, from 1. Both are zero when none did.
	Method string `json:"method,omitempty"`
	Level  int    `json:"level,omitempty"`
	// Reason says why the state is unknown, or is not what was asked for.
	Reason string `json:"reason,omitempty"`
	// Seconds is how long all of it took.
	Seconds float64     `json:"seconds"`
	Steps   []PowerStep `json:"steps"`
}

// PowerStep is one thing that was asked of one method, or the same question asked several times on end with
// the same answer.
type PowerStep struct {
	Method string `json:"method"`
	Level  int    `json:"level"`
	// Did is status, off or on.
	Did     string    `json:"did"`
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"`
	// Times is how often it was asked.
	Times int `json:"times"`
	// State is the answer to status. Error is why there is none, or why switching failed.
	State PowerState `json:"state"`
	Error string     `json:"error,omitempty"`
}
