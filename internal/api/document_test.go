package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/analyzer/rightsize"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/getkin/kin-openapi/openapi3"
)

// described loads the document.
func described(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// operations lists the document's operations as "METHOD path".
func operations(doc *openapi3.T) map[string]*openapi3.Operation {
	all := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all[method+" "+path] = op
		}
	}
	return all
}

func TestTheDocumentIsValid(t *testing.T) {
	if err := described(t).Validate(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestTheDocumentHasTheRoutesAndTheirRoles(t *testing.T) {
	want := map[string]string{"GET /-/healthy": "none", "GET /-/ready": "none"} // these two pass by the table
	for _, r := range api.Routes() {
		want[r.Method+" "+r.Path] = r.Role.String()
	}
	got := map[string]string{}
	for route, op := range operations(described(t)) {
		got[route] = fmt.Sprint(op.Extensions["x-evenkeel-role"])
		if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 {
			t.Errorf("%s has no operationId, no summary or no tag", route)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the document has %v\nthe server has   %v", got, want)
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	_, srv := serve(t, &house{}, nil)
	resp, err := http.Get(srv.URL + "/api/v1/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/yaml" || !bytes.Equal(b, api.Document()) {
		t.Errorf("%s %v %v, %d bytes", resp.Status, resp.Header, err, len(b))
	}
}

// names lists the words of an enumeration that has no list of its own, without that for nothing.
func names[T interface {
	~uint8
	fmt.Stringer
}]() []string {
	var list []string
	for v := T(0); !strings.HasPrefix(v.String(), "invalid("); v++ {
		if s := v.String(); s != "" && s != "none" {
			list = append(list, s)
		}
	}
	return list
}

func TestTheWordsOfTheDocumentAreThoseOfTheProgram(t *testing.T) {
	want := map[string][]string{
		"HostState": names[cluster.HostState](), "VMState": cluster.VMStates(), "RuleKind": names[cluster.RuleKind](), "RuleStrength": names[cluster.RuleStrength](),
		"FaultKind": names[cluster.FaultKind](), "Level": names[cluster.Level](), "Role": api.Roles(), "ActionKind": cluster.Kinds(), "Policy": cluster.Policies(),
		"Detector": detect.Names(), "Gate": gate.Names(), "CaseState": cluster.CaseStates(), "Result": cluster.Results(), "OrderKind": names[cluster.OrderKind](),
		"EntryKind": append([]string{"none"}, names[cluster.EntryKind]()...), "FlawKind": names[cluster.FlawKind](), "Sign": verdict.Signs(), "RunState": cluster.RunStates(),
	}
	doc := described(t)
	got := map[string][]string{}
	for name, s := range doc.Components.Schemas {
		for _, word := range s.Value.Enum {
			got[name] = append(got[name], word.(string))
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the document has %v\nthe program has  %v", got, want)
	}
	var states []string
	for _, p := range operations(doc)["GET /api/v1/recommendations"].Parameters {
		if p.Value.Name == "state" {
			for _, word := range p.Value.Schema.Value.Enum {
				states = append(states, word.(string))
			}
		}
	}
	if want := append([]string{"", "all"}, cluster.CaseStates()...); !slices.Equal(states, want) {
		t.Errorf("the parameter state takes %q, want %q", states, want)
	}
}

// TestEveryPropertyIsDescribed holds the schemas of the answers against the Go types: the same properties, required
// where they are always written, nullable where a list can be null, and each described or referred.
func TestEveryPropertyIsDescribed(t *testing.T) {
	doc := described(t)
	h := holder{t: t, seen: map[reflect.Type]bool{}, schemas: doc.Components.Schemas}
	for name, typ := range map[string]reflect.Type{
		"Problem": reflect.TypeFor[api.Problem](), "Status": reflect.TypeFor[api.Status](), "Board": reflect.TypeFor[analyzer.Judgement](), "Place": reflect.TypeFor[api.Place](),
		"Case": reflect.TypeFor[cluster.Case](), "Verdict": reflect.TypeFor[cluster.Verdict](), "Order": reflect.TypeFor[cluster.Order](), "Effects": reflect.TypeFor[api.Effects](),
		"Verification": reflect.TypeFor[cluster.Verification](), "Explanation": reflect.TypeFor[plan.Explanation](), "Placement": reflect.TypeFor[plan.Placement](), "HostWatch": reflect.TypeFor[cluster.HostWatch](), "Run": reflect.TypeFor[cluster.Run](), "PowerStatus": reflect.TypeFor[cluster.PowerStatus](), "Schedule": reflect.TypeFor[cluster.ScheduleState](), "Rightsizing": reflect.TypeFor[rightsize.Report](),
		"Trends":    reflect.TypeFor[cluster.Trends](),
		"Movements": reflect.TypeFor[cluster.Movements](), "JournalPage": reflect.TypeFor[api.JournalPage](), "Autonomy": reflect.TypeFor[api.Autonomy](), "Setting": reflect.TypeFor[cluster.Setting](),
	} {
		h.hold(name, typ, doc.Components.Schemas[name])
	}
	used := string(api.Document())
	for name := range doc.Components.Schemas {
		if name != "Role" && !strings.Contains(used, "'#/components/schemas/"+name+"'") {
			t.Errorf("nothing uses the schema %s", name)
		}
	}
}

type holder struct {
	t       *testing.T
	seen    map[reflect.Type]bool
	schemas openapi3.Schemas
}

func (h *holder) hold(path string, typ reflect.Type, ref *openapi3.SchemaRef) {
	if typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
		if typ.Kind() == reflect.Slice {
			if !ref.Value.Type.Is("array") {
				h.t.Errorf("%s: is a list, the document says %v", path, ref.Value.Type)
				return
			}
			ref = ref.Value.Items
		}
		h.hold(path, typ.Elem(), ref)
		return
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeOf(at()) || typ == reflect.TypeFor[cluster.Number]() || h.seen[typ] {
		return
	}
	h.seen[typ] = true
	if has := ref.Value.AdditionalProperties.Has; has == nil || *has || ref.Value.Description == "" {
		h.t.Errorf("%s: allows more than it names, or is not described", path)
	}
	inGo := map[string]bool{"version": typ == reflect.TypeFor[cluster.Snapshot]()} // the snapshot file has a version, the board has not
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		inGo[name] = true
		p := ref.Value.Properties[name]
		if p == nil {
			h.t.Errorf("%s.%s: is not in the document", path, name)
			continue
		}
		if p.Ref == "" && p.Value.Description == "" {
			h.t.Errorf("%s.%s: is not described", path, name)
		}
		if required := slices.Contains(ref.Value.Required, name); required == strings.HasPrefix(option, "omit") {
			h.t.Errorf("%s.%s: required in the document %v, written with %q", path, name, required, option)
		}
		h.hold(path+"."+name, f.Type, p)
	}
	for name := range ref.Value.Properties {
		if !inGo[name] {
			h.t.Errorf("%s.%s: is in the document only", path, name)
		}
	}
}

// crowd is a judgement with a plan in it: six busy VMs on one of two hosts.
func crowd() (analyzer.Judgement, analyzer.Policy) {
	limits := cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.9}
	p := analyzer.Policy{Detect: detect.Default(3, limits), Plan: plan.Policy{Threshold: 3, MaxMoves: 8, Limits: limits, BandwidthBytesPerSecond: 1 << 30, Lifetime: 600e9, Horizon: 3600e9}}
	s := cluster.Snapshot{Cluster: "prod", At: at(), Hosts: []cluster.Host{
		{ID: "h1", State: cluster.HostUp, CPUCores: 8, MemoryBytes: 64 << 30, IOPressureRatio: cluster.Known(0)},
		{ID: "h2", State: cluster.HostUp, CPUCores: 8, MemoryBytes: 64 << 30}, {ID: "h3", State: cluster.HostMaintenance, CPUCores: 8, MemoryBytes: 64 << 30}}}
	for i := range 6 {
		s.VMs = append(s.VMs, cluster.VM{ID: fmt.Sprintf("v%d", i), Name: fmt.Sprintf("web%d", i), Host: "h1", State: cluster.VMRunning, VCPUs: 2, MemoryBytes: 4 << 30,
			CPUDemandCores: 1.3, MemoryDemandBytes: 2 << 30, Movable: i > 0, CPUStealRatio: cluster.Known(0.05)})
	}
	return analyzer.Judge([]cluster.Snapshot{s}, p), p
}

// full is a house in which every answer has every property.
func full() *house {
	j := filled[analyzer.Judgement]()
	judged, policy := crowd()
	c := filled[cluster.Case]()
	return &house{board: &j, judged: &judged, policy: policy, cases: []cluster.Case{c, {Recommendation: c.Recommendation}}, standing: filled[cluster.Orders](),
		promises: filled[[]cluster.Promise](), trusted: filled[[]trust.Standing](), verdicts: filled[[]cluster.Verdict]()}
}

// question is one request and the status of its answer.
type question struct {
	route, path, body string
	status            int
}

func TestEveryAnswerIsAsTheDocumentSays(t *testing.T) {
	a := answers{t: t, ops: operations(described(t)), seen: map[string]bool{}}
	good := []question{
		{"GET /api/v1/status", "", "", 200}, {"GET /api/v1/hosts", "", "", 200}, {"GET /api/v1/failures", "", "", 200}, {"GET /api/v1/schedules", "", "", 200}, {"GET /api/v1/targets/http_sd", "", "", 200}, {"GET /api/v1/power", "", "", 200}, {"GET /api/v1/rightsizing", "", "", 200}, {"GET /api/v1/impact", "?of=host/h1", "", 200}, {"GET /api/v1/trends", "?subject=cluster&hours=2", "", 200}, {"GET /api/v1/history", "?about=h1", "", 200}, {"GET /api/v1/board", "", "", 200}, {"GET /api/v1/where", "", "", 200}, {"GET /api/v1/snapshot", "", "", 200},
		{"GET /api/v1/plan", "", "", 200}, {"GET /api/v1/explain", "?subject=v1", "", 200}, {"GET /api/v1/explain", "?subject=web0", "", 200}, {"GET /api/v1/explain", "?subject=h1", "", 200},
		{"GET /api/v1/explain", "?subject=h3", "", 200},
		{"GET /api/v1/place", `?vm={"id":"new","vcpus":2,"memory_bytes":1073741824}`, "", 200}, {"GET /api/v1/place", `?vm={"id":"new","vcpus":200,"memory_bytes":1073741824}`, "", 200}, {"GET /api/v1/place", `?ignore_admission=true&vm={"id":"new","vcpus":2,"memory_bytes":1073741824}`, "", 200},
		{"GET /api/v1/recommendations", "?state=all", "", 200}, {"GET /api/v1/recommendations/{id}", "", "", 200}, {"GET /api/v1/recommendations/{id}/gates", "", "", 200}, {"GET /api/v1/recommendations/{id}/captures", "", "", 200}, {"GET /api/v1/vms/{vm}/definitions", "", "", 200},
		{"POST /api/v1/recommendations/{id}/approve", "", "", 200}, {"POST /api/v1/recommendations/{id}/reject", "", "", 200},
		{"POST /api/v1/actions", "", `{"kind": "migrate", "vm": "web1", "to": "h2", "reason": "x"}`, 200},
		{"POST /api/v1/actions/dry-run", "", `{"kind": "migrate", "vm": "web1", "to": "h2"}`, 200}, {"POST /api/v1/actions/dry-run", "", `{"kind": "maintenance", "host": "h1"}`, 200}, {"POST /api/v1/actions/dry-run", "", `{"kind": "standby", "host": "h1"}`, 200},
		{"POST /api/v1/recommendations/{id}/snooze", "", `{"until": "2099-01-01T00:00:00Z"}`, 200}, {"GET /api/v1/orders", "", "", 200},
		{"POST /api/v1/orders", "", `{"kind": "pause", "subject": "cluster", "reason": "x", "until": "2099-01-01T00:00:00Z"}`, 200},
		{"DELETE /api/v1/orders", "", `{"kind": "pause", "subject": "cluster"}`, 200}, {"GET /api/v1/history", "", "", 200}, {"GET /api/v1/effects", "", "", 200},
		{"GET /api/v1/runs", "", "", 200}, {"POST /api/v1/runs", "", `{"runbook": "x", "vm": "web1", "dry_run": true}`, 200},
		{"GET /api/v1/moves", "", "", 200}, {"GET /api/v1/journal", "?q=a&kind=approved&about=web1", "", 200}, {"GET /api/v1/journal", "", "", 200}, {"GET /api/v1/autonomy", "", "", 200}, {"GET /api/v1/config", "", "", 200},
		{"GET /api/v1/journal/verify", "", "", 200}, {"GET /api/v1/openapi.yaml", "", "", 200}, {"POST /-/reload", "", "", 200}, {"GET /-/healthy", "", "", 200}, {"GET /-/ready", "", "", 200},
	}
	a.ask(full(), nil, secret, good...)
	nothing := analyzer.Judge([]cluster.Snapshot{{At: at()}}, analyzer.Policy{})
	empty := &house{board: &nothing, judged: &nothing, cases: []cluster.Case{}, promises: []cluster.Promise{}, trusted: []trust.Standing{}}
	for _, q := range good {
		if !strings.Contains(q.route, "{id}") && !strings.Contains(q.route, "explain") && !strings.Contains(q.route, "actions") && !strings.Contains(q.path, "200") {
			a.ask(empty, nil, secret, q)
		}
	}
	a.ask(full(), fmt.Errorf("evenkeel.yml:3: hosts: is empty"), secret,
		question{"GET /api/v1/impact", "?of=h1", "", 400}, question{"GET /api/v1/trends", "?subject=pool/x", "", 400}, question{"GET /api/v1/where", "?at=yesterday", "", 400}, question{"GET /api/v1/where", "?vm=nobody", "", 404}, question{"GET /api/v1/snapshot", "?at=yesterday", "", 400},
		question{"GET /api/v1/plan", "?at=yesterday", "", 400}, question{"GET /api/v1/explain", "", "", 400}, question{"GET /api/v1/explain", "?subject=nobody", "", 404},
		question{"GET /api/v1/place", "", "", 400}, question{"GET /api/v1/place", `?vm={"id":"v1","vcpus":2,"memory_bytes":1}`, "", 409}, question{"GET /api/v1/recommendations", "?state=weird", "", 400},
		question{"GET /api/v1/place", `?ignore_admission=perhaps&vm={"id":"new","vcpus":2,"memory_bytes":1}`, "", 400},
		question{"GET /api/v1/recommendations/nobody", "", "", 404}, question{"GET /api/v1/recommendations/nobody/gates", "", "", 404},
		question{"POST /api/v1/recommendations/{id}/approve", "", "{", 400}, question{"POST /api/v1/recommendations/nobody/approve", "", "", 404},
		question{"POST /api/v1/recommendations/{id}/reject", "", "{", 400}, question{"POST /api/v1/recommendations/nobody/reject", "", "", 404},
		question{"POST /api/v1/recommendations/{id}/snooze", "", "{", 400}, question{"POST /api/v1/recommendations/nobody/snooze", "", `{"until": "2099-01-01T00:00:00Z"}`, 404},
		question{"POST /api/v1/actions", "", "{", 400}, question{"POST /api/v1/actions", "", `{"kind": "migrate", "vm": "nobody", "to": "h2"}`, 409},
		question{"POST /api/v1/actions/dry-run", "", "{", 400}, question{"POST /api/v1/actions/dry-run", "", `{"kind": "migrate", "vm": "nobody", "to": "h2"}`, 409},
		question{"POST /api/v1/orders", "", "{", 400}, question{"DELETE /api/v1/orders", "", "{", 400}, question{"GET /api/v1/history", "?limit=0", "", 400}, question{"GET /api/v1/effects", "?limit=0", "", 400},
		question{"GET /api/v1/runs", "?limit=0", "", 400}, question{"POST /api/v1/runs", "", "{", 400}, question{"POST /api/v1/runs", "", `{"runbook": "nobody"}`, 404},
		question{"GET /api/v1/moves", "?from=yesterday", "", 400}, question{"GET /api/v1/journal", "?before=0", "", 400},
		question{"GET /api/v1/journal/verify", "?head=12", "", 400}, question{"POST /-/reload", "", "", 400})
	twins := full()
	twins.board.Snapshot.VMs = []cluster.VM{{ID: "1", Name: "x"}, {ID: "2", Name: "x"}}
	a.ask(twins, nil, secret, question{"GET /api/v1/vms/{vm}/definitions", "", "", 409})
	for cause, status := range map[error]int{errNotOpen(): 409, errNotFound(): 404, errDisk(): 503} {
		h := full()
		h.decide = cause
		for _, q := range good {
			q.status = status
			if changes := strings.HasPrefix(q.route, "POST /api") || strings.HasPrefix(q.route, "DELETE"); changes && !strings.HasSuffix(q.route, "dry-run") && a.documents(q.route, status) {
				a.ask(h, nil, secret, q)
			}
		}
	}
	blind := full()
	blind.boardErr = errDisk()
	for route := range a.ops {
		if (strings.HasPrefix(route, "GET") || strings.HasSuffix(route, "dry-run")) && a.documents(route, 503) {
			for _, q := range good {
				if q.status = 503; q.route == route {
					a.ask(blind, nil, secret, q)
				}
			}
		}
	}
	a.guards()
	for route, op := range a.ops {
		for status := range op.Responses.Map() {
			if !a.seen[route+" "+status] {
				t.Errorf("%s: no answer with the status %s was seen", route, status)
			}
		}
	}
}

// watched is what is seen of one host.
type watched struct{}

func (watched) Hosts() []cluster.HostWatch {
	return []cluster.HostWatch{{Host: "h1", Verdict: "isolated", Reason: "it is cut off", Since: at(), HeardAt: at(), LookedAt: at(), Exporter: "no", Libvirt: "refused", Heartbeat: "yes", Neighbours: "unknown", Power: "yes"}}
}

// kept has one version of everything, or none that can be read.
type kept struct{ err error }

func (k kept) Versions(string) ([]cluster.Definition, error) {
	return filled[[]cluster.Definition](), k.err
}

func (watched) Get(string) ([]cluster.Captured, error) {
	return []cluster.Captured{{Name: "console.log", Type: "text/plain", Data: []byte("Oops")}}, nil
}

func (watched) Schedules() []cluster.ScheduleState {
	list := filled[[]cluster.ScheduleState]()
	for i := range list {
		list[i].Kind, list[i].Result = cluster.ScheduleLevel, cluster.ScheduleOpen
	}
	return list
}

func (watched) Levels() []cluster.KindLevel { return filled[[]cluster.KindLevel]() }

func (watched) Trust() []cluster.TrustChange { return filled[[]cluster.TrustChange]() }

func (watched) Level() cluster.Level { return cluster.LevelFull }

func (watched) Waiting() []recovery.Waiting {
	return []recovery.Waiting{{Subject: "host/h1", Name: "h1", Cause: "isolated", Reason: "mend its network", Since: at(), Stuck: true}}
}

func (watched) Impact(s cluster.Snapshot, kind, name string) (recovery.Impact, error) {
	return recovery.Impact{Subject: kind + "/" + name, At: at(), DetectSeconds: 8, Unplaced: 1, VMs: []recovery.Affected{
		{VM: "v1", Name: "web1", Host: "h1", State: cluster.VMRunning, Tags: []string{"a"}, Priority: "high", After: []string{"db"}, To: "h2", Reason: "it has room", Seconds: 11}, {VM: "v2", Name: "web2", Priority: "low"}}}, nil
}

type sized struct{ err error }

func (z sized) Rightsizing(context.Context) (rightsize.Report, error) {
	return filled[rightsize.Report](), z.err
}

type trending struct{ err error }

func (p trending) Trends(context.Context, string, time.Time, time.Time) (cluster.Trends, error) {
	return filled[cluster.Trends](), p.err
}

type powered struct{}

func (powered) Status() cluster.PowerStatus {
	return cluster.PowerStatus{Currency: "EUR", Hosts: []cluster.HostPower{{Host: "h1", Rest: &cluster.Rest{Asleep: at()}, Proof: &cluster.WakeProof{Host: "h1", At: at(), Woke: true, Seconds: 90}, Watts: cluster.Known(5), Source: "curve", Problem: "it is deaf"}},
		Periods: []cluster.PowerPeriod{{Name: "today", From: at(), Saving: cluster.Saving{SleptSeconds: 3600, SavedWh: 100, SpentWh: 20, Wakes: 1}, Cost: cluster.Known(0.02), CarbonGrams: cluster.Known(30)}, {Name: "all"}}}
}

// answers holds answers against the document, and remembers which statuses it saw.
type answers struct {
	t    *testing.T
	ops  map[string]*openapi3.Operation
	seen map[string]bool
}

func (a *answers) documents(route string, status int) bool {
	return a.ops[route].Responses.Status(status) != nil
}

func (a *answers) ask(h *house, reload error, token string, questions ...question) {
	a.t.Helper()
	s, _ := serve(a.t, h, func() error { return reload })
	s.SetLedger(&ledger{found: filled[cluster.Verification](), err: h.boardErr, entries: []cluster.Entry{filled[cluster.Entry]()}})
	s.SetPast(past{err: h.boardErr, house: h})
	s.SetTrusted(watched{})
	s.SetSettings(filled[[]cluster.Setting]())
	s.SetWatch(watched{})
	s.SetFailures(watched{})
	s.SetCaptures(watched{})
	s.SetDefinitions(kept{h.boardErr})
	s.SetPower(powered{})
	s.SetSizer(sized{h.boardErr})
	s.SetTrender(trending{h.boardErr})
	s.SetTimetable(watched{})
	s.SetTargets(func(scheme, self string) []api.TargetGroup {
		return []api.TargetGroup{{Targets: []string{self}, Labels: map[string]string{"__scheme__": scheme}}}
	})
	for _, q := range questions {
		a.one(s, token, q)
	}
}

func (a *answers) one(s http.Handler, token string, q question) {
	a.t.Helper()
	method, path, _ := strings.Cut(q.route, " ")
	r := httptest.NewRequest(method, "http://x"+strings.NewReplacer("{id}", "x", "{vm}", "x", "{kind}", "heap").Replace(path), strings.NewReader(q.body))
	r.URL.RawQuery = strings.TrimPrefix(q.path, "?")
	r.Header.Set(api.TokenHeader, token)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	route := strings.NewReplacer("nobody", "{id}", "nothing", "{kind}").Replace(q.route)
	response := a.ops[route].Responses.Status(w.Code)
	if w.Code != q.status || response == nil {
		a.t.Errorf("%s%s: %d %s; want %d, documented %v", q.route, q.path, w.Code, w.Body, q.status, response != nil)
		return
	}
	a.seen[fmt.Sprintf("%s %d", route, w.Code)] = true
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	content := response.Value.Content[kind]
	if content == nil {
		a.t.Errorf("%s: answers with %q", q.route, kind)
		return
	}
	var body any = w.Body.String()
	if kind == "application/json" {
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			a.t.Fatal(err)
		}
	}
	if err := content.Schema.Value.VisitJSON(body, openapi3.VisitAsResponse(), openapi3.EnableFormatValidation()); err != nil {
		a.t.Errorf("%s%s: %v", q.route, q.path, err)
	}
}

// guards asks for everything without a token, with one that does not suffice, and too often; and for the journal
// where there is none.
func (a *answers) guards() {
	s, _ := serve(a.t, full(), nil)
	a.one(s, secret, question{"GET /api/v1/journal/verify", "", "", 404})
	for _, path := range []string{"moves", "journal", "autonomy", "config"} {
		a.one(s, secret, question{"GET /api/v1/" + path, "", "", 404})
	}
	a.one(s, secret, question{"GET /api/v1/hosts", "", "", 404})
	a.one(s, secret, question{"GET /debug/pprof/nothing", "", "", 404})
	a.one(s, secret, question{"GET /debug/pprof/{kind}", "?seconds=0", "", 400})
	a.one(s, secret, question{"GET /debug/pprof/{kind}", "", "", 200})
	a.one(s, secret, question{"GET /api/v1/failures", "", "", 404})
	a.one(s, secret, question{"GET /api/v1/power", "", "", 404})
	a.one(s, secret, question{"GET /api/v1/rightsizing", "", "", 404})
	a.one(s, secret, question{"GET /api/v1/trends", "?subject=cluster", "", 404})
	a.one(s, secret, question{"GET /api/v1/recommendations/{id}/captures", "", "", 404})
	a.one(s, secret, question{"GET /api/v1/vms/{vm}/definitions", "", "", 404})
	a.one(s, secret, question{"GET /api/v1/impact", "?of=host/h1", "", 404})
	s.Configure(api.Access{Tokens: []api.Token{{Name: "eve", Secret: secret, Role: api.Viewer}}}, cluster.LevelManual)
	for _, r := range api.Routes() {
		if r.Role == api.Nobody {
			a.one(s, "", question{r.Method + " " + r.Path, "", "", 200})
			continue
		}
		a.one(s, "", question{r.Method + " " + r.Path, "", "", 401})
		if r.Role > api.Viewer {
			a.one(s, secret, question{r.Method + " " + r.Path, "", "", 403})
		}
	}
	tired, _ := serve(a.t, full(), nil)
	api.Tire(tired)
	for range 200 {
		status(a.t, tired, "GET", "/api/v1/status", "guess", "")
	}
	for _, r := range api.Routes() {
		a.one(tired, "guess", question{r.Method + " " + r.Path, "", "", 429})
	}
}
