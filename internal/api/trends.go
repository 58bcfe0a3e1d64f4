package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// usualTrend is over how long numbers are shown when nothing is said, MaxTrend over how long at most.
const usualTrend, MaxTrend = 24 * time.Hour, 31 * 24 * time.Hour

// Trender has the numbers of past times.
type Trender interface {
	// Trends are those of "cluster", "host/NAME" or "vm/ID" from one time to a later one.
	Trends(ctx context.Context, subject string, from, to time.Time) (cluster.Trends, error)
}

// SetTrender says who has them.
func (s *Server) SetTrender(t Trender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trender = t
}

func (s *Server) trends(w http.ResponseWriter, r *http.Request) {
	from, to, err := spanOf(r.URL.Query(), time.Now())
	if err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	subject, err := s.trendSubject(r.URL.Query().Get("subject"))
	if err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	s.mu.Lock()
	trender := s.trender
	s.mu.Unlock()
	if trender == nil {
		fail(w, http.StatusNotFound, errors.New("nobody keeps numbers over time here"), nil)
		return
	}
	t, err := trender.Trends(r.Context(), subject, from, to)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	answer(w, t)
}

// trendSubject reads whose numbers are wanted. A VM may be called by its name.
func (s *Server) trendSubject(subject string) (string, error) {
	kind, name, named := strings.Cut(subject, "/")
	switch {
	case subject == "cluster", kind == "host" && name != "":
		return subject, nil
	case kind != "vm" || !named || name == "":
		return "", fmt.Errorf("subject: %q is none; write cluster, host/NAME or vm/ID", subject)
	}
	id, err := s.knownVM(name)
	if err != nil {
		return "", fmt.Errorf("subject: %w", err)
	}
	return cluster.VMSubject(id), nil
}

// spanOf reads from when to when numbers are wanted: so many hours until now, or from one time to another.
func spanOf(q url.Values, now time.Time) (from, to time.Time, err error) {
	to = now.Truncate(time.Second)
	from = to.Add(-usualTrend)
	hours, fromText, toText := q.Get("hours"), q.Get("from"), q.Get("to")
	switch {
	case hours != "" && fromText+toText != "":
		return from, to, errors.New("hours: stands beside from and to; say one of the two")
	case hours != "":
		n, err := strconv.Atoi(hours)
		if most := int(MaxTrend / time.Hour); err != nil || n < 1 || n > most {
			return from, to, fmt.Errorf("hours: %q is no number from 1 to %d", hours, most)
		}
		return to.Add(-time.Duration(n) * time.Hour), to, nil
	}
	if toText != "" {
		if to, err = timeOf("to", toText); err != nil {
			return from, to, err
		}
		from = to.Add(-usualTrend)
	}
	if fromText != "" {
		if from, err = timeOf("from", fromText); err != nil {
			return from, to, err
		}
	}
	if length := to.Sub(from); length < time.Second || length > MaxTrend {
		return from, to, fmt.Errorf("from: %s is not before %s by a second to %d days", from.Format(time.RFC3339), to.Format(time.RFC3339), int(MaxTrend/(24*time.Hour)))
	}
	return from, to, nil
}

func timeOf(parameter, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%s: %q is no time; write it like 2006-01-02T15:04:05Z", parameter, text)
	}
	return t, nil
}

// Trends asks for the numbers of "cluster", "host/NAME" or "vm/ID or name" from one time to a later one, at most MaxTrend apart.
func (c *Client) Trends(ctx context.Context, subject string, from, to time.Time) (cluster.Trends, error) {
	return get[cluster.Trends](ctx, c, "/api/v1/trends", url.Values{"subject": {subject}, "from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}})
}
