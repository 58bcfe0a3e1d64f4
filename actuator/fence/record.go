package fence

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// record is what was asked, and what was said.
type record struct {
	began  time.Time
	report cluster.PowerReport
	// said is the last answer to status by level.
	said map[int]cluster.PowerState
}

func newRecord(host string) *record {
	return &record{began: time.Now(), report: cluster.PowerReport{Host: host}, said: map[int]cluster.PowerState{}}
}

// ask is one question for status.
func (r *record) ask(ctx context.Context, m method) (cluster.PowerState, error) {
	state, err := r.step(ctx, m, "status", m.status)
	if err == nil {
		r.said[m.level] = state
	}
	return state, err
}

// step asks one thing of a method, within its timeout, and notes it.
func (r *record) step(ctx context.Context, m method, did string, f func(context.Context) (cluster.PowerState, error)) (cluster.PowerState, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	began := time.Now()
	state, err := f(ctx)
	s := cluster.PowerStep{Method: m.String(), Level: m.level, Did: did, At: began, Seconds: time.Since(began).Seconds(), Times: 1, State: state}
	if err != nil {
		s.State, s.Error = cluster.PowerUnknown, err.Error()
	}
	r.note(s)
	return s.State, err
}

// note adds a step. The same question with the same answer on end is one step, from the first to the last.
func (r *record) note(s cluster.PowerStep) {
	if n := len(r.report.Steps); n > 0 {
		last := &r.report.Steps[n-1]
		if last.Level == s.Level && last.Did == s.Did && last.State == s.State && last.Error == s.Error {
			last.Times++
			last.Seconds = s.At.Sub(last.At).Seconds() + s.Seconds
			return
		}
	}
	r.report.Steps = append(r.report.Steps, s)
}

// end closes the report. The method is the one whose status counted, or nil.
func (r *record) end(m *method, state cluster.PowerState, err error) cluster.PowerReport {
	r.report.State, r.report.Seconds = state, time.Since(r.began).Seconds()
	if m != nil {
		r.report.Method, r.report.Level = m.String(), m.level
	}
	if err != nil {
		r.report.Reason = err.Error()
	}
	return r.report
}
