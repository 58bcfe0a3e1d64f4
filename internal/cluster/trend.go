package cluster

import "time"

// Trends are numbers of one subject over a time.
type Trends struct {
	// Subject is "cluster", "host/NAME" or "vm/ID".
	Subject string `json:"subject"`
	// From is at most a step later than asked for, so that the last point is at To.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// StepSeconds is the time between two points. Where points are further apart than that, nothing is known in between.
	StepSeconds float64 `json:"step_seconds"`
	Series      []Trend `json:"series"`
	// Note says why there is nothing to be seen, where that is so.
	Note string `json:"note,omitempty"`
}

// Trend is one number over a time.
type Trend struct {
	Name string `json:"name"`
	// Part tells series of one name apart: a resource, or what costs points.
	Part string `json:"part,omitempty"`
	// Unit is points, ratio, cores, bytes or VMs.
	Unit string `json:"unit"`
	// Query is the PromQL that gave it. One query can give several series.
	Query string `json:"query"`
	// Points are in the order of time; those that are not known are left out.
	Points []TrendPoint `json:"points"`
}

// TrendPoint is the value at a time.
type TrendPoint struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// Sums are the lowest, the mean, the highest and the last of its values. It must have points.
func (t Trend) Sums() (low, mean, high, last float64) {
	low, high = t.Points[0].Value, t.Points[0].Value
	for _, p := range t.Points {
		low, high, last = min(low, p.Value), max(high, p.Value), p.Value
		mean += p.Value / float64(len(t.Points))
	}
	return low, mean, high, last
}
