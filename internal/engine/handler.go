package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// frontDoor stands between the world and the Prometheus API. It answers from
// memory, so a slow client holds up neither the database nor a shutdown, and a
// panic halfway through an answer still becomes a clean 500.
type frontDoor struct {
	api     http.Handler
	gate    *requestGate
	timeout time.Duration
	logger  *slog.Logger
}

// ServeHTTP answers r, whatever happens inside.
func (d *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := d.answer(r)
	maps.Copy(w.Header(), rec.header)
	w.WriteHeader(rec.code)
	_, _ = w.Write(rec.body.Bytes()) // a client that has gone away cannot be told
}

// answer returns the whole response to r.
func (d *frontDoor) answer(r *http.Request) *recorder {
	r, refused := withForm(r)
	if refused != nil {
		return refused
	}
	ctx, cancel := context.WithTimeout(r.Context(), d.timeout)
	defer cancel()
	ctx, leave, open := d.gate.enter(ctx)
	defer leave()
	if !open {
		return errorResponse(http.StatusServiceUnavailable, "unavailable", ErrClosed.Error())
	}
	return d.call(r.WithContext(ctx))
}

// call runs the API and turns a panic of it into a 500.
func (d *frontDoor) call(r *http.Request) (rec *recorder) {
	defer func() {
		if p := recover(); p != nil {
			d.logger.Error("Prometheus API panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			rec = errorResponse(http.StatusInternalServerError, "internal", "internal error, see the log of evenkeel")
		}
	}()
	rec = newRecorder()
	d.api.ServeHTTP(rec, r)
	return rec
}

// requestGate knows the requests that are being answered, so that the database
// is not closed under them: a query would read memory that is no longer mapped.
type requestGate struct {
	inside  sync.RWMutex // held for reading by each request
	closing context.Context
	shut    context.CancelFunc
}

func newRequestGate() *requestGate {
	g := &requestGate{}
	g.closing, g.shut = context.WithCancel(context.Background())
	return g
}

// enter lets a request in unless the gate is closed. Its context also ends when
// the gate closes. leave must be called in either case.
func (g *requestGate) enter(ctx context.Context) (inner context.Context, leave func(), open bool) {
	g.inside.RLock()
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.closing, cancel)
	return inner, func() {
		stop()
		cancel()
		g.inside.RUnlock()
	}, g.closing.Err() == nil
}

// close turns new requests away, cancels those inside and waits for them.
func (g *requestGate) close() {
	g.shut()
	g.inside.Lock()
	defer g.inside.Unlock()
}

// recorder keeps a response in memory.
type recorder struct {
	header  http.Header
	code    int
	started bool
	body    bytes.Buffer
}

func newRecorder() *recorder {
	return &recorder{header: http.Header{}, code: http.StatusOK}
}

// errorResponse is an error in the form that Prometheus' own errors have.
func errorResponse(code int, kind, message string) *recorder {
	r := newRecorder()
	r.header.Set("Content-Type", "application/json")
	r.WriteHeader(code)
	// Strings always encode, and the buffer takes everything.
	_ = json.NewEncoder(r).Encode(map[string]string{"status": "error", "errorType": kind, "error": message})
	return r
}

// Header returns the header to be sent.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader sets the status; the first call counts.
func (r *recorder) WriteHeader(code int) {
	if !r.started {
		r.started, r.code = true, code
	}
}

// Write appends to the body and never fails.
func (r *recorder) Write(p []byte) (int, error) {
	r.started = true
	return r.body.Write(p)
}
