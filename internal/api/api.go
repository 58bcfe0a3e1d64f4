// Package api is the HTTP face of a server: what the board and the actuator hold, and the two
// decisions that people take, approve and reject. It decides nothing itself. The client for it, which
// the command line uses, stands beside it, so that both speak of the same types.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/actuator/trust"
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
	Snooze(id string, word cluster.Approval, until time.Time) (cluster.Case, error)
	Gates(ctx context.Context, id string) ([]cluster.Verdict, error)
	Request(ctx context.Context, r cluster.Recommendation, word cluster.Approval) (cluster.Case, error)
	Try(ctx context.Context, r cluster.Recommendation, word *cluster.Approval) []cluster.Verdict
	Orders() cluster.Orders
	// Stops are what stops actions now whoever asks for them.
	Stops() []cluster.Verdict
	Order(o cluster.Order) error
	Lift(o cluster.Order) error
	Promises() []cluster.Promise
	Standings() []trust.Standing
	// Counts tells how many cases are in each state.
	Counts() map[cluster.CaseState]int
}

// Status is a server in a few words.
type Status struct {
	Version string `json:"version"`
	Cluster string `json:"cluster"`
	// Level is the cluster's automation level or, where that must be earned, the most that it can become.
	Level cluster.Level `json:"automation_level"`
	// Schedules are those that have levels of their own in force now.
	Schedules []cluster.ScheduleState `json:"level_schedules,omitempty"`
	// Earned are the kinds of action whose level is to be earned.
	Earned []trust.Standing `json:"earned,omitempty"`
	// SnapshotAt is when the newest snapshot was taken; zero before the first.
	SnapshotAt time.Time     `json:"snapshot_at,omitzero"`
	LastError  string        `json:"last_error,omitempty"`
	Findings   int           `json:"findings"`
	Gaps       []cluster.Gap `json:"gaps,omitempty"`
	Open       int           `json:"open_recommendations"`
	// Orders are the pauses and approvals in advance that are in force.
	Orders cluster.Orders `json:"orders,omitempty"`
	// Stops are what stops actions now whoever asks for them: freezes that are on, and actions that failed one after the other.
	Stops []cluster.Verdict `json:"stops,omitempty"`
	// Failover says how what the cluster is to survive stands; nil where nothing is asked for, or nothing was seen yet.
	Failover *FailoverProof `json:"failover,omitempty"`
	// Unknown counts actions of which nobody knows what came.
	Unknown int `json:"actions_of_unknown_outcome"`
	// Servers are those that share a store; nil where the state is in files, and there is one.
	Servers *Servers `json:"servers,omitempty"`
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

// TokenHeader carries the token where Authorization carries the password of the web server.
const TokenHeader = "X-Evenkeel-Token"

const (
	maxBody = 64 << 10
	// maxHistory caps one answer of the history, usualHistory is what it holds when nothing is said.
	maxHistory, usualHistory = 1000, 50
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

	mu       sync.Mutex
	access   Access
	level    cluster.Level
	reload   func() error
	ledger   Ledger
	watch    Watch
	failed   Failures
	captured Captures
	defined  Definitions
	powered  Power
	sizer    Sizer
	runner   Runner
	times    Timetable
	trender  Trender
	targets  func(scheme, self string) []TargetGroup
	limits   limiters
	past     Past
	trusted  Trusted
	inForce  []cluster.Setting
	servers  func(context.Context) Servers

	peers   *Peers // nil for a server that has none
	follows bool   // it hands on what it is asked
}

// route is one thing that can be asked of a server, and who may.
type route struct {
	method, path string
	role         Role
	handle       func(http.ResponseWriter, *http.Request, caller)
}

// here tells that also a server that does not lead answers itself.
func (r route) here() bool {
	return slices.Contains([]string{"/api/v1/whoami", "/api/v1/openapi.yaml", "/debug/pprof/{kind}", "/-/reload"}, r.path)
}

// routes are all of them; openapi.yaml describes each.
func (s *Server) routes() []route {
	reads := func(f func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request, caller) {
		return func(w http.ResponseWriter, r *http.Request, _ caller) { f(w, r) }
	}
	const recommendation = "/api/v1/recommendations/{id}"
	return []route{
		{"GET", "/api/v1/whoami", Nobody, whoami},
		{"GET", "/api/v1/status", Viewer, reads(s.status)},
		{"GET", "/api/v1/hosts", Viewer, reads(s.hosts)},
		{"GET", "/api/v1/failures", Viewer, reads(s.failures)},
		{"GET", "/api/v1/power", Viewer, reads(s.power)},
		{"GET", "/api/v1/rightsizing", Viewer, reads(s.rightsizing)},
		{"GET", "/api/v1/schedules", Viewer, reads(s.schedules)},
		{"GET", "/api/v1/impact", Viewer, reads(s.impact)},
		{"GET", "/api/v1/trends", Viewer, reads(s.trends)},
		{"GET", "/api/v1/board", Viewer, reads(s.showBoard)},
		{"GET", "/api/v1/recommendations", Viewer, reads(s.recommendations)},
		{"GET", recommendation, Viewer, reads(s.recommendation)},
		{"GET", recommendation + "/gates", Viewer, reads(s.gates)},
		{"GET", recommendation + "/captures", Approver, reads(s.captures)},
		{"GET", "/api/v1/vms/{vm}/definitions", Viewer, reads(s.definitions)},
		{"POST", recommendation + "/approve", Approver, s.approve},
		{"POST", recommendation + "/reject", Approver, s.reject},
		{"POST", recommendation + "/snooze", Approver, s.snooze},
		{"POST", "/api/v1/actions", Operator, s.ask},
		{"POST", "/api/v1/actions/dry-run", Viewer, s.tryOut},
		{"GET", "/api/v1/orders", Viewer, reads(s.orders)},
		{"POST", "/api/v1/orders", Operator, s.order},
		{"DELETE", "/api/v1/orders", Operator, s.lift},
		{"GET", "/api/v1/runs", Viewer, reads(s.runs)},
		{"POST", "/api/v1/runs", Operator, s.beginRun},
		{"GET", "/api/v1/history", Viewer, reads(s.history)},
		{"GET", "/api/v1/moves", Viewer, reads(s.moves)},
		{"GET", "/api/v1/journal", Viewer, reads(s.journal)},
		{"GET", "/api/v1/journal/verify", Viewer, reads(s.verifyJournal)},
		{"GET", "/api/v1/autonomy", Viewer, reads(s.autonomy)},
		{"GET", "/api/v1/config", Viewer, s.config},
		{"GET", "/api/v1/effects", Viewer, reads(s.effects)},
		{"GET", "/api/v1/where", Viewer, reads(s.where)},
		{"GET", "/api/v1/snapshot", Viewer, reads(s.snapshot)},
		{"GET", "/api/v1/plan", Viewer, reads(s.plan)},
		{"GET", "/api/v1/explain", Viewer, reads(s.explain)},
		{"GET", "/api/v1/place", Viewer, reads(s.place)},
		{"GET", "/api/v1/targets/http_sd", Viewer, reads(s.discover)},
		{"GET", "/api/v1/openapi.yaml", Viewer, reads(showDocument)},
		{"GET", "/debug/pprof/{kind}", Admin, reads(s.profile)},
		{"POST", "/-/reload", Admin, s.reloadNow},
	}
}

// New returns a server. Reload is what POST /-/reload does.
func New(board Board, desk Desk, version string, reload func() error, log *slog.Logger) *Server {
	s := &Server{board: board, desk: desk, version: version, reload: reload, log: log, mux: http.NewServeMux()}
	for _, r := range s.routes() {
		s.mux.HandleFunc(r.method+" "+r.path, s.guarded(r))
	}
	s.mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy") })
	s.mux.HandleFunc("GET /-/ready", s.ready)
	s.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Errorf("there is no %s %s", r.Method, r.URL.Path), nil)
	})
	return s
}

// NewFollower returns a server that finds out who asks, and hands on to the one that leads what they ask.
func NewFollower(p *Peers, version string, reload func() error, log *slog.Logger) *Server {
	s := New(nil, nil, version, reload, log)
	s.peers, s.follows = p, true
	return s
}

// SetPeers has the server answer what its peers hand on, before it answers anything.
func (s *Server) SetPeers(p *Peers) { s.peers = p }

// Configure replaces who may do what, and the automation level that is shown where no timetable knows of another.
func (s *Server) Configure(access Access, level cluster.Level) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access, s.level = access, level
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	board, err := s.board.Board()
	level, schedules := s.levelNow()
	cases := s.desk.Counts()
	st := Status{
		Version: s.version, Cluster: board.Snapshot.Cluster, Level: level, Schedules: schedules, SnapshotAt: board.Snapshot.At,
		Findings: len(board.Findings), Gaps: board.Snapshot.Gaps, Orders: s.desk.Orders(), Stops: s.desk.Stops(), Earned: s.desk.Standings(),
		Open: cases[cluster.CaseOpen], Unknown: cases[cluster.CaseUnknown], Failover: proofOf(board.Failover),
	}
	if err != nil {
		st.LastError = err.Error()
	}
	if s.servers != nil {
		servers := s.servers(r.Context())
		st.Servers = &servers
	}
	answer(w, st)
}

// seen is how the cluster stands. Before it has been seen that is an error: a judgement of nothing would look like a cluster that is well.
func (s *Server) seen() (analyzer.Judgement, error) {
	board, err := s.board.Board()
	if !board.Snapshot.At.IsZero() {
		return board, nil
	}
	if err == nil {
		err = errors.New("the first pass has not ended yet")
	}
	return board, err
}

func (s *Server) showBoard(w http.ResponseWriter, _ *http.Request) {
	board, err := s.seen()
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	answer(w, board)
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	limit, ok := limitOf(w, r, usualHistory)
	if !ok {
		return
	}
	about := r.URL.Query().Get("about")
	ended := s.desk.List(func(c cluster.Case) bool {
		return !c.State.Unsettled() && c.State != cluster.CaseWithdrawn && (about == "" || isAbout(c.Recommendation, about))
	})
	slices.SortStableFunc(ended, func(x, y cluster.Case) int { return y.Updated.Compare(x.Updated) })
	answer(w, orEmpty(ended[:min(limit, len(ended))]))
}

// isAbout tells whether the recommendation touches the VM or host, by whatever it is called, or was made because of it.
func isAbout(r cluster.Recommendation, key string) bool {
	names := append(r.Action.Subjects(), r.Action.VM, r.Action.Name, r.Action.From, r.Action.To)
	for _, f := range r.Because {
		names = append(names, f.Subject)
	}
	return slices.ContainsFunc([]string{key, cluster.HostSubject(key), cluster.VMSubject(key)}, func(name string) bool { return slices.Contains(names, name) })
}

// limitOf reads how many are wanted, so many where nothing is said, and answers where that makes no sense.
func limitOf(w http.ResponseWriter, r *http.Request, otherwise int) (limit int, ok bool) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxHistory {
		fail(w, http.StatusBadRequest, fmt.Errorf("limit: %q is no number from 1 to %d", text, maxHistory), nil)
		return 0, false
	}
	return n, true
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.follows {
		s.readyToFollow(w, r)
		return
	}
	if _, err := s.seen(); err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	fmt.Fprintln(w, "ready")
}

func (s *Server) reloadNow(w http.ResponseWriter, _ *http.Request, by caller) {
	if err := s.reload(); err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	s.log.Info("configuration reloaded", "who", by.name)
	fmt.Fprintln(w, "reloaded")
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func answer(w http.ResponseWriter, v any) { write(w, http.StatusOK, v) }

func fail(w http.ResponseWriter, code int, err error, c *cluster.Case) {
	write(w, code, Problem{Error: err.Error(), Case: c})
}

// maxIndented is up to which length an answer is indented for people. What is longer nobody reads as it is, and
// indenting takes longer than all the rest.
const maxIndented = 256 << 10

func write(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be written as JSON"}`)
	}
	if len(b) <= maxIndented {
		var indented bytes.Buffer
		if json.Indent(&indented, b, "", " ") == nil {
			b = indented.Bytes()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the client may be gone; there is nobody to tell
}
