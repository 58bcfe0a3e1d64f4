package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxProfileSeconds is how long a profile may be taken over.
const maxProfileSeconds = 60

// Profiles are what can be looked at of the process, in the format of pprof; trace is the runtime's own.
func Profiles() []string {
	return []string{"allocs", "block", "cpu", "goroutine", "heap", "mutex", "threadcreate", "trace"}
}

// profile gives a profile of this process. What is in it is the program's, and no name of a host or VM; but it costs, and so it is for admins.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	if !slices.Contains(Profiles(), kind) {
		fail(w, http.StatusNotFound, fmt.Errorf("%q is no profile; use one of %s", kind, strings.Join(Profiles(), ", ")), nil)
		return
	}
	if text := r.URL.Query().Get("seconds"); text != "" {
		if n, err := strconv.Atoi(text); err != nil || n < 1 || n > maxProfileSeconds {
			fail(w, http.StatusBadRequest, fmt.Errorf("seconds: %q is no number from 1 to %d", text, maxProfileSeconds), nil)
			return
		}
	}
	switch kind {
	case "cpu":
		pprof.Profile(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Handler(kind).ServeHTTP(w, r)
	}
}

// Profile asks for a profile of the server's process, taken over so many seconds where that is a matter of time, 1 to 60.
func (c *Client) Profile(ctx context.Context, kind string, seconds int) ([]byte, error) {
	q := url.Values{}
	if seconds > 0 {
		q.Set("seconds", strconv.Itoa(seconds))
	}
	return c.Page(ctx, "/debug/pprof/"+url.PathEscape(kind), q)
}
