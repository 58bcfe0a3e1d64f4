package api

import (
	"context"
	"net/http"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Timetable says how the schedules stand.
type Timetable interface {
	Schedules() []cluster.ScheduleState
	// Level is the cluster's automation level now or, where that must be earned, the most that it can become.
	Level() cluster.Level
}

// SetTimetable says who knows the schedules.
func (s *Server) SetTimetable(t Timetable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = t
}

func (s *Server) timetable() Timetable {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times
}

// schedules are none where nobody keeps a timetable.
func (s *Server) schedules(w http.ResponseWriter, _ *http.Request) {
	list := []cluster.ScheduleState{}
	if t := s.timetable(); t != nil {
		list = append(list, t.Schedules()...)
	}
	answer(w, list)
}

// levelNow is the automation level in force, and the schedules that have a say in it now.
func (s *Server) levelNow() (cluster.Level, []cluster.ScheduleState) {
	t := s.timetable()
	if t == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.level, nil
	}
	var open []cluster.ScheduleState
	for _, one := range t.Schedules() {
		if one.Kind == cluster.ScheduleLevel && one.Result == cluster.ScheduleOpen {
			open = append(open, one)
		}
	}
	return t.Level(), open
}

// Schedules asks what is done at set times, and what came of it.
func (c *Client) Schedules(ctx context.Context) ([]cluster.ScheduleState, error) {
	return get[[]cluster.ScheduleState](ctx, c, "/api/v1/schedules", nil)
}
