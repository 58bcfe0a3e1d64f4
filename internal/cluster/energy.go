package cluster

import "time"

// PowerCurve is what a host draws, in watts, at evenly spaced shares of its cores in use, from none to all: two points are a
// straight line, eleven are what SPECpower_ssj2008 measures.
type PowerCurve []float64

// Watts is what is drawn at a share of the cores, 0 to 1, between two points by a straight line; 0 where the curve is empty.
func (c PowerCurve) Watts(share float64) float64 {
	last := len(c) - 1
	switch {
	case last < 0:
		return 0
	case last == 0 || !(share > 0): // nor is it a number for a host without cores
		return c[0]
	}
	x := min(share, 1) * float64(last)
	i := min(int(x), last-1)
	return c[i] + (c[i+1]-c[i])*(x-float64(i))
}

// Saving is what a host, or several, saved by sleeping over some time.
type Saving struct {
	SleptSeconds float64 `json:"slept_seconds"`
	// SavedWh is what would have been drawn awake and idle, less what was drawn asleep; SpentWh is what falling asleep and waking
	// took, in Wakes wakes.
	SavedWh float64 `json:"saved_wh"`
	SpentWh float64 `json:"spent_wh"`
	Wakes   int     `json:"wakes"`
}

// NetWh is what is left of what was saved. It is below 0 where hosts woke too often.
func (s Saving) NetWh() float64 { return s.SavedWh - s.SpentWh }

// Add returns the sum.
func (s Saving) Add(o Saving) Saving {
	return Saving{SleptSeconds: s.SleptSeconds + o.SleptSeconds, SavedWh: s.SavedWh + o.SavedWh, SpentWh: s.SpentWh + o.SpentWh, Wakes: s.Wakes + o.Wakes}
}

// HostPower is what a host draws, and what is known of it as one that sleeps.
type HostPower struct {
	Host string `json:"host"`
	// Rest is how far it is on its way into standby; nil where it is not.
	Rest *Rest `json:"rest,omitempty"`
	// Proof is the last time that it was woken; nil where it never was.
	Proof *WakeProof `json:"proof,omitempty"`
	// Watts is what it draws now, by Source: redfish, dcmi, ipmi (a sensor), or curve.
	Watts  Number `json:"watts,omitzero"`
	Source string `json:"source,omitempty"`
	// IdleWatts is what it draws with nothing to do, by IdleSource: curve, or measured before it fell asleep.
	IdleWatts  Number `json:"idle_watts,omitzero"`
	IdleSource string `json:"idle_source,omitempty"`
	// Problem says why its BMC did not say what it draws, the last time that it was asked; empty where it did, or cannot be asked.
	Problem string `json:"problem,omitempty"`
	Today   Saving `json:"today"`
}

// PowerPeriod is what all hosts together saved in a time.
type PowerPeriod struct {
	// Name is today, yesterday, this month, last month or all. From is when it begins, in the server's time zone.
	Name   string    `json:"name"`
	From   time.Time `json:"from,omitzero"`
	Saving Saving    `json:"saving"`
	// Cost is what NetWh costs, in the currency of the tariff, and CarbonGrams what is emitted for it; unknown where the
	// configuration does not say.
	Cost        Number `json:"cost,omitzero"`
	CarbonGrams Number `json:"carbon_grams,omitzero"`
}

// PowerStatus is what is drawn and what was saved.
type PowerStatus struct {
	Hosts    []HostPower   `json:"hosts"`
	Periods  []PowerPeriod `json:"periods"`
	Currency string        `json:"currency,omitempty"`
	// Advises tells whether it is advised which hosts could sleep.
	Advises bool `json:"advises"`
}
