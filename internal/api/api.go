// Package api is the HTTP face of a server: what the board and the actuator hold, and the two
// decisions that people take, approve and reject. It decides nothing itself. The client for it, which
// the command line uses, stands beside it, so that both speak of the same types.
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Board is what the analyzer shows.
type Board interface {
	Board() (analyzer.Judgement, error)
	Rehearse(ctx context.Context, at time.Time) (analyzer.Judgement, error)
	Policy() analyzer.Policy
}

// Desk is where recommendations are decided.
type Desk interface {
	List(want func(cluster.Case) bool) []cluster.Case
	Case(id string) (cluster.Case, error)
	Approve(ctx context.Context, id string, word cluster.Approval) (cluster.Case, error)
	Reject(id string, word cluster.Approval) (cluster.Case, error)
}

// Token lets its bearer change state under a name.
type Token struct{ Name, Secret string }

// Status is a server in a few words.
type Status struct {
	Version string        `json:"version"`
	Cluster string        `json:"cluster"`
	Level   cluster.Level `json:"automation_level"`
	// SnapshotAt is when the newest snapshot was taken; zero before the first.
	SnapshotAt time.Time     `json:"snapshot_at,omitzero"`
	LastError  string        `json:"last_error,omitempty"`
	Findings   int           `json:"findings"`
	Gaps       []cluster.Gap `json:"gaps,omitempty"`
	Open       int           `json:"open_recommendations"`
	// Unknown counts actions of which nobody knows what came.
	Unknown int `json:"actions_of_unknown_outcome"`
}

// Place is where a VM is or was.
type Place struct {
	VM    string          `json:"vm"`
	Name  string          `json:"name"`
	Host  string          `json:"host,omitempty"`
	State cluster.VMState `json:"state"`
	At    time.Time       `json:"at"`
	// Gap says why this is not certain, if it is not.
	Gap string `json:"gap,omitempty"`
}

// Problem is the body of every answer that is not a success.
type Problem struct {
	Error string `json:"error"`
	// Case is the recommendation as it stands, where the answer is about one.
	Case *cluster.Case `json:"case,omitempty"`
}

// Decision is the body of an approval or a rejection. It may be left out.
type Decision struct {
	Reason string `json:"reason"`
}

// TokenHeader carries the token where Authorization carries the password of the web server.
const TokenHeader = "X-Evenkeel-Token"

const (
	maxBody = 64 << 10
	// maxHistory caps one answer of the history.
	maxHistory = 1000
	// rehearsalTimeout bounds a look at another time.
	rehearsalTimeout = 60 * time.Second
)

// Server answers under /api/v1/. It is safe for concurrent use.
type Server struct {
	board   Board
	desk    Desk
	version string
	log     *slog.Logger
	mux     *http.ServeMux

	mu     sync.Mutex
	tokens []Token
	level  cluster.Level
	reload func() error
	ledger Ledger
}

// New returns a server. Reload is what POST /-/reload does.
func New(board Board, desk Desk, version string, reload func() error, log *slog.Logger) *Server {
	s := &Server{board: board, desk: desk, version: version, reload: reload, log: log, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /api/v1/status", s.status)
	s.mux.HandleFunc("GET /api/v1/board", s.showBoard)
	s.mux.HandleFunc("GET /api/v1/recommendations", s.recommendations)
	s.mux.HandleFunc("GET /api/v1/recommendations/{id}", s.recommendation)
	s.mux.HandleFunc("POST /api/v1/recommendations/{id}/approve", s.authorised(s.approve))
	s.mux.HandleFunc("POST /api/v1/recommendations/{id}/reject", s.authorised(s.reject))
	s.mux.HandleFunc("GET /api/v1/history", s.history)
	s.mux.HandleFunc("GET /api/v1/journal/verify", s.verifyJournal)
	s.mux.HandleFunc("GET /api/v1/where", s.where)
	s.mux.HandleFunc("GET /api/v1/snapshot", s.snapshot)
	s.mux.HandleFunc("GET /api/v1/plan", s.plan)
	s.mux.HandleFunc("GET /api/v1/explain", s.explain)
	s.mux.HandleFunc("GET /api/v1/place", s.place)
	s.mux.HandleFunc("POST /-/reload", s.authorised(s.reloadNow))
	s.mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy") })
	s.mux.HandleFunc("GET /-/ready", s.ready)
	s.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Errorf("there is no %s %s", r.Method, r.URL.Path), nil)
	})
	return s
}

// Configure replaces who may change state, and the automation level that is shown.
func (s *Server) Configure(tokens []Token, level cluster.Level) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens, s.level = tokens, level
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// authorised lets a request through that bears a token, and tells the handler whose it is.
func (s *Server) authorised(next func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		secret := r.Header.Get(TokenHeader)
		if secret == "" {
			secret = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		}
		who := s.bearer(secret)
		if who == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="evenkeel"`)
			fail(w, http.StatusUnauthorized, errors.New("this changes state and needs a token: name its file with --token-file, or send it as "+TokenHeader+" or Authorization: Bearer"), nil)
			return
		}
		next(w, r, who)
	}
}

func (s *Server) bearer(secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	given := sha256.Sum256([]byte(secret))
	who := ""
	for _, t := range s.tokens { // all of them, so that the time taken tells nothing
		want := sha256.Sum256([]byte(t.Secret))
		if subtle.ConstantTimeCompare(given[:], want[:]) == 1 {
			who = t.Name
		}
	}
	return who
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	board, err := s.board.Board()
	s.mu.Lock()
	level := s.level
	s.mu.Unlock()
	st := Status{
		Version: s.version, Cluster: board.Snapshot.Cluster, Level: level, SnapshotAt: board.Snapshot.At,
		Findings: len(board.Findings), Gaps: board.Snapshot.Gaps,
		Open:    len(s.desk.List(func(c cluster.Case) bool { return c.State == cluster.CaseOpen })),
		Unknown: len(s.desk.List(func(c cluster.Case) bool { return c.State == cluster.CaseUnknown })),
	}
	if err != nil {
		st.LastError = err.Error()
	}
	answer(w, st)
}

func (s *Server) showBoard(w http.ResponseWriter, _ *http.Request) {
	board, err := s.board.Board()
	if err != nil && board.Snapshot.At.IsZero() {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	answer(w, board)
}

func (s *Server) recommendations(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	if state != "" && state != "all" && !slices.Contains(cluster.CaseStates(), state) {
		fail(w, http.StatusBadRequest, fmt.Errorf("state: %q is none; use all or one of %s", state, strings.Join(cluster.CaseStates(), ", ")), nil)
		return
	}
	answer(w, orEmpty(s.desk.List(func(c cluster.Case) bool {
		return state == "all" || state == c.State.String() || state == "" && c.State.Unsettled()
	})))
}

func (s *Server) recommendation(w http.ResponseWriter, r *http.Request) {
	c, err := s.desk.Case(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusNotFound, err, nil)
		return
	}
	answer(w, c)
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request, who string) {
	s.decide(w, r, who, func(id string, word cluster.Approval) (cluster.Case, error) {
		// The person's request may be cut off; the decision is taken all the same.
		return s.desk.Approve(context.WithoutCancel(r.Context()), id, word)
	})
}

func (s *Server) reject(w http.ResponseWriter, r *http.Request, who string) {
	s.decide(w, r, who, s.desk.Reject)
}

func (s *Server) decide(w http.ResponseWriter, r *http.Request, who string, say func(string, cluster.Approval) (cluster.Case, error)) {
	d, err := decodeDecision(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	c, err := say(r.PathValue("id"), cluster.Approval{Who: who, Via: "api", At: time.Now(), Reason: d.Reason})
	switch {
	case err == nil:
		answer(w, c)
	case errors.Is(err, actuator.ErrNotFound):
		fail(w, http.StatusNotFound, err, nil)
	case errors.Is(err, actuator.ErrNotOpen), errors.Is(err, actuator.ErrRefused):
		fail(w, http.StatusConflict, err, &c)
	default:
		fail(w, http.StatusServiceUnavailable, err, &c)
	}
}

// maxReason is how long a person's reason may be, in bytes.
const maxReason = 1000

func decodeDecision(body io.Reader) (Decision, error) {
	var d Decision
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil && !errors.Is(err, io.EOF) {
		return Decision{}, fmt.Errorf("read the body: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Decision{}, errors.New("read the body: there is more after the first value")
	}
	if len(d.Reason) > maxReason {
		return Decision{}, fmt.Errorf("reason: is %d bytes long, the most is %d", len(d.Reason), maxReason)
	}
	return d, nil
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	limit := 50
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxHistory {
			fail(w, http.StatusBadRequest, fmt.Errorf("limit: %q is no number from 1 to %d", text, maxHistory), nil)
			return
		}
		limit = n
	}
	ended := s.desk.List(func(c cluster.Case) bool { return !c.State.Unsettled() && c.State != cluster.CaseWithdrawn })
	slices.SortStableFunc(ended, func(x, y cluster.Case) int { return y.Updated.Compare(x.Updated) })
	answer(w, orEmpty(ended[:min(limit, len(ended))]))
}

func (s *Server) where(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("vm")
	j, ok := s.judgement(w, r)
	if !ok {
		return
	}
	places := []Place{}
	for _, v := range j.Snapshot.VMs {
		if key == "" || v.ID == key || v.Name == key {
			places = append(places, Place{VM: v.ID, Name: v.Name, Host: v.Host, State: v.State, At: j.Snapshot.At, Gap: j.Snapshot.GapOf(cluster.VMSubject(v.ID))})
		}
	}
	if key != "" && len(places) == 0 {
		fail(w, http.StatusNotFound, fmt.Errorf("no VM has the name or UUID %q at %s", key, j.Snapshot.At.Format(time.RFC3339)), nil)
		return
	}
	answer(w, places)
}

func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	j, ok := s.judgement(w, r)
	if !ok {
		return
	}
	b, err := cluster.EncodeSnapshot(j.Snapshot)
	if err != nil {
		fail(w, http.StatusInternalServerError, err, nil)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // the client may be gone; there is nobody to tell
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	if j, ok := s.judgement(w, r); ok {
		answer(w, j.Plan)
	}
}

// judgement rehearses at the time that the request names, or now.
func (s *Server) judgement(w http.ResponseWriter, r *http.Request) (analyzer.Judgement, bool) {
	at := time.Now().Truncate(time.Second)
	if text := r.URL.Query().Get("at"); text != "" {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("at: %q is no time; write it like 2006-01-02T15:04:05Z", text), nil)
			return analyzer.Judgement{}, false
		}
		at = t
	}
	ctx, cancel := context.WithTimeout(r.Context(), rehearsalTimeout)
	defer cancel()
	j, err := s.board.Rehearse(ctx, at)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return analyzer.Judgement{}, false
	}
	return j, true
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if board, err := s.board.Board(); board.Snapshot.At.IsZero() {
		if err == nil {
			err = errors.New("the first pass has not ended yet")
		}
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	fmt.Fprintln(w, "ready")
}

func (s *Server) reloadNow(w http.ResponseWriter, _ *http.Request, who string) {
	if err := s.reload(); err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	s.log.Info("configuration reloaded", "who", who)
	fmt.Fprintln(w, "reloaded")
}

func orEmpty(cases []cluster.Case) []cluster.Case {
	if cases == nil {
		return []cluster.Case{}
	}
	return cases
}

func answer(w http.ResponseWriter, v any) { write(w, http.StatusOK, v) }

func fail(w http.ResponseWriter, code int, err error, c *cluster.Case) {
	write(w, code, Problem{Error: err.Error(), Case: c})
}

func write(w http.ResponseWriter, code int, v any) {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the client may be gone; there is nobody to tell
}
