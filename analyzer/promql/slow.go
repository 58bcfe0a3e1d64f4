package promql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/forecast"
	"github.com/evenkeel/evenkeel/internal/cluster"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

const (
	// learnDays is how many days of past hours the forecast looks at.
	learnDays = 7
	// hoursAtOnce is how many hours one query asks for, so that none of them loads too many samples.
	hoursAtOnce = 6
)

// slow holds what is asked for whole hours of the past. It is dear to ask and does not change any more, so
// it is asked once for every hour; and because it belongs to full hours, a snapshot of any past time finds
// the same.
type slow struct {
	mu sync.Mutex
	// hours are the means of full hours: by the hour's end, in cores by VM.
	hours map[int64]map[string]float64
	// days are the numbers of the day before a full hour.
	days map[int64]past
}

// past is what is known of the day before a full hour, by VM.
type past struct{ cpuPeak, memoryPeak, io map[string]float64 }

// fill asks for what is missing for a snapshot of the time, and forgets what is too old for it.
func (s *slow) fill(ctx context.Context, api v1.API, q queries, at time.Time) (past, []map[string]float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hour := at.Truncate(time.Hour)
	first := hour.Add(-learnDays * 24 * time.Hour)
	if s.hours == nil {
		s.hours, s.days = map[int64]map[string]float64{}, map[int64]past{}
	}
	for end := first.Add(time.Hour); !end.After(hour); {
		if s.hours[end.Unix()] != nil {
			end = end.Add(time.Hour)
			continue
		}
		last := end.Add((hoursAtOnce - 1) * time.Hour)
		if last.After(hour) {
			last = hour
		}
		if err := s.ask(ctx, api, q, end, last); err != nil {
			return past{}, nil, err
		}
		end = last.Add(time.Hour)
	}
	day, ok := s.days[hour.Unix()]
	if !ok {
		var err error
		if day, err = askDay(ctx, api, q, hour); err != nil {
			return past{}, nil, err
		}
		s.days[hour.Unix()] = day
	}
	var hours []map[string]float64
	for end := first.Add(time.Hour); !end.After(hour); end = end.Add(time.Hour) {
		hours = append(hours, s.hours[end.Unix()])
	}
	s.forget(hour)
	return day, hours, nil
}

// forget keeps what snapshots about the time, a day more or less, need.
func (s *slow) forget(hour time.Time) {
	oldest, newest := hour.Add(-(learnDays+1)*24*time.Hour).Unix(), hour.Add(24*time.Hour).Unix()
	for end := range s.hours {
		if end < oldest || end > newest {
			delete(s.hours, end)
		}
	}
	for end := range s.days {
		if end < hour.Add(-24*time.Hour).Unix() || end > newest {
			delete(s.days, end)
		}
	}
}

// ask asks for the hours that end from first to last.
func (s *slow) ask(ctx context.Context, api v1.API, q queries, first, last time.Time) error {
	n := int(last.Sub(first)/time.Hour) + 1
	query := strings.ReplaceAll(q.vmHours, "$range", model.Duration(time.Duration(n)*time.Hour).String())
	value, _, _, err := api.Query(ctx, query, last)
	if err != nil {
		return fmt.Errorf("query %s: %w", query, err)
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return fmt.Errorf("query %s: the answer is a %T, not a matrix", query, value)
	}
	for end := first; !end.After(last); end = end.Add(time.Hour) {
		s.hours[end.Unix()] = map[string]float64{}
	}
	for _, series := range matrix {
		vm := string(series.Metric["vm"])
		for _, p := range series.Values {
			if hour := s.hours[p.Timestamp.Unix()]; hour != nil && finiteNumber(float64(p.Value)) {
				hour[vm] = float64(p.Value)
			}
		}
	}
	return nil
}

func askDay(ctx context.Context, api v1.API, q queries, hour time.Time) (past, error) {
	f := &fetch{ctx: ctx, api: api, at: hour}
	var cpu, memory, io model.Vector
	f.vector(q.vmCPUPeak, &cpu)
	f.vector(q.vmMemoryPeak, &memory)
	f.vector(q.vmIO, &io)
	if err := f.wait(); err != nil {
		return past{}, err
	}
	return past{cpuPeak: by(cpu, "vm"), memoryPeak: by(memory, "vm"), io: by(io, "vm")}, nil
}

// remember writes what the past tells into the VM.
func remember(vm *cluster.VM, day past, hours []map[string]float64) {
	for _, n := range []struct {
		of   map[string]float64
		into *cluster.Number
	}{{day.cpuPeak, &vm.CPUPeakCores}, {day.memoryPeak, &vm.MemoryPeakBytes}, {day.io, &vm.IOBytesPerSecond}} {
		if x, ok := n.of[vm.ID]; ok {
			*n.into = cluster.Known(x)
		}
	}
	if !slices.ContainsFunc(hours, func(h map[string]float64) bool { _, ok := h[vm.ID]; return ok }) {
		return
	}
	series := make([]forecast.Hour, len(hours))
	for i, h := range hours {
		x, ok := h[vm.ID]
		series[i] = forecast.Hour{Value: x, Known: ok}
	}
	f, ok := forecast.Next(series)
	if !ok {
		return
	}
	vm.CPUPredictedErrorCores, vm.CPUPersistenceErrorCores = cluster.Known(f.Error), cluster.Known(f.PersistenceError)
	if f.Beats {
		vm.CPUPredictedCores = cluster.Known(f.Value)
	}
}
