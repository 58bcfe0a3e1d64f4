package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/getkin/kin-openapi/openapi3"
)

// bodies are such as people and programs send, right and wrong. Each is sent to every operation.
func bodies() []string {
	end := `"until": "` + time.Now().Add(10*24*time.Hour).UTC().Format(time.RFC3339) + `"` // an approval in advance lasts 30 days at most
	list := []string{"", "null", "{}", "[]", `"x"`, "1", "{", "{} {}", `{"who": "root"}`, `{"Reason": "x"}`, `{"reason": 1}`, `{"reason": null}`, `{"reason": ""}`, `{"reason": "before the backup"}`,
		`{"reason": "` + strings.Repeat("é", 1000) + `"}`, `{"reason": "` + strings.Repeat("é", 1001) + `"}`, "{" + end + "}", "{" + end + `, "reason": "later"}`,
		`{"until": "tomorrow"}`, `{"until": null}`, `{"until": 5}`, `{"reason": "x", "until": ""}`}
	for _, action := range []string{
		`"kind": "migrate", "vm": "web1", "to": "h2"`, `"kind": "migrate", "vm": "1111", "to": ""`, `"kind": "migrate", "vm": "web1"`, `"kind": "migrate", "to": "h2"`, `"kind": "migrate", "vm": "", "to": "h2"`,
		`"kind": "start", "vm": "web1"`, `"kind": "start", "vm": "web1", "to": "h1"`, `"kind": "start", "vm": "web1", "to": null`, `"kind": "start", "vm": "web1", "pool": "p"`,
		`"kind": "shutdown", "vm": "web1"`, `"kind": "reset", "vm": "web1"`, `"kind": "suspend", "vm": "web1", "reason": "x"`, `"kind": "resume", "vm": "web1", "to": "h2"`, `"kind": "resume", "vm": 1`,
		`"kind": "move-storage", "vm": "web1", "pool": "fast"`, `"kind": "move-storage", "vm": "web1"`, `"kind": "move-storage", "vm": "web1", "pool": ""`, `"kind": "maintenance", "vm": "web1"`, `"kind": "none", "vm": "web1"`,
	} {
		list = append(list, "{"+action+"}", "{"+action+`, "sudo": true}`)
	}
	for _, order := range []string{
		`"kind": "pause"`, `"subject": "cluster"`, `"kind": "pause", "subject": "cluster"`, `"kind": "pause", "subject": "host/h1"`, `"kind": "pause", "subject": "vm/web1"`,
		`"kind": "pause", "subject": ""`, `"kind": "pause", "subject": "rack/r1"`, `"kind": "pause", "subject": "host/"`, `"kind": "pause", "subject": 1`,
		`"kind": "pause", "subject": "cluster", "policy": ""`, `"kind": "pause", "subject": "cluster", "policy": null`, `"kind": "pause", "subject": "cluster", "policy": "balance"`,
		`"kind": "pause", "subject": "cluster", "reason": 1`, `"kind": "pause", "subject": "cluster", "reason": "` + strings.Repeat("x", 1001) + `"`, `"kind": "pause", "subject": "cluster", "until": null`,
		`"kind": "approve", "subject": "cluster"`, `"kind": "approve", "subject": "cluster", "policy": "balance"`, `"kind": "approve", "subject": "cluster", "policy": "nonsense"`,
		`"kind": "approve", "subject": "cluster", "policy": ""`, `"kind": "approve", "subject": "vm/2222", "policy": "rules", "until": null`, `"kind": "", "subject": "cluster"`,
		`"kind": "maintenance", "subject": "host/h1"`, `"kind": "maintenance", "subject": "cluster"`, `"kind": "maintenance", "subject": "vm/web1"`, `"kind": "none", "subject": "cluster"`, `"kind": null, "subject": "cluster"`, `"kind": 1, "subject": "cluster"`,
	} {
		list = append(list, "{"+order+"}", "{"+order+", "+end+"}", "{"+order+`, "sudo": true}`)
	}
	return append(list, `{"runbook": "x"}`, `{"runbook": ""}`, `{"runbook": null}`, `{"runbook": 1}`, `{"runbook": "x", "vm": null, "host": null, "dry_run": null}`, `{"runbook": "x", "dry_run": "yes"}`,
		`{"runbook": "x", "vm": "web1", "host": "h1", "dry_run": true}`, `{"runbook": "x", "vm": 1}`, `{"runbook": "x", "force": true}`, `{"Runbook": "x"}`)
}

// TestBodiesAreRefusedAsTheDocumentSays sends what the document allows and what it forbids.
func TestBodiesAreRefusedAsTheDocumentSays(t *testing.T) {
	taken := 0
	for route, op := range operations(described(t)) {
		if op.RequestBody == nil {
			continue
		}
		method, path, _ := strings.Cut(route, " ")
		for _, body := range bodies() {
			s, _ := serve(t, &house{}, nil) // anew, for nobody may ask so often
			allowed := op.RequestBody.Value
			var v any
			err := json.Unmarshal([]byte(body), &v)
			if body == "" {
				if err = nil; allowed.Required {
					err = http.ErrNoLocation
				}
			} else if err == nil {
				err = allowed.Content["application/json"].Schema.Value.VisitJSON(v, openapi3.VisitAsRequest(), openapi3.EnableFormatValidation())
			}
			got := status(t, s, method, strings.NewReplacer("{id}", "abc", "{vm}", "abc").Replace(path), secret, body)
			if want := map[bool]int{true: 200, false: 400}[err == nil]; got != want {
				t.Errorf("%s with %.80s answers %d, and the document says %d: %v", route, body, got, want, err)
			}
			if got == 200 {
				taken++
			}
		}
	}
	if taken < 40 {
		t.Errorf("only %d bodies were taken", taken)
	}
}

// TestParametersAreRefusedAsTheDocumentSays does the same with parameters. What is empty counts as left out.
func TestParametersAreRefusedAsTheDocumentSays(t *testing.T) {
	values := map[string][]string{
		"limit": {"0", "1", "50", "1000", "1001", "-1", "x", "1.5"}, "state": {"", "all", "open", "unknown", "none", "OPEN"},
		"at":   {"2026-11-22T10:00:00Z", "2026-11-22T10:00:00.5+01:00", "2026-11-22", "yesterday", "1700000000"},
		"head": {"", "12", "12:" + strings.Repeat("aB", 32), "12:" + strings.Repeat("ab", 31), "x:" + strings.Repeat("ab", 32)},
		"from": {"2026-11-22T10:00:00Z", "yesterday"}, "to": {"2026-11-23T10:00:00Z", "2026-11-23"}, "before": {"0", "1", "9000000000", "-1", "x", "1.5"}, "kind": {"", "none", "approved", "APPROVED", "weird"},
		"subject": {"", "h1", "web1"}, "of": {"host/h1", "pool/nfs", "network/lan", "host/", "disk/a", "h1"},
		"vm": {"", "null", "[]", "{}", `{"id":"new"}`, `{"id":"new","vcpus":2,"memory_bytes":1073741824}`, `{"id":"","vcpus":2,"memory_bytes":1}`, `{"id":"new","vcpus":2,"memory_bytes":1,"sudo":1}`,
			`{"ID":"new","vcpus":2,"memory_bytes":1}`, `{"id":"new","vcpus":-2,"memory_bytes":1}`, `{"id":"new","vcpus":2,"memory_bytes":1,"cpu_demand_cores":-1}`, `{"id":"new","vcpus":2,"memory_bytes":1,"state":"weird"}`, `{"id":"new","vcpus":2.5,"memory_bytes":1}`,
			`{"id":"new","vcpus":2,"memory_bytes":1,"automation":"off","tags":["a"],"storage":["nfs"]}`},
	}
	h := &house{}
	s, _ := serve(t, h, nil)
	s.SetLedger(&ledger{})
	s.SetPast(past{house: h})
	s.SetTrender(trending{})
	s.SetTrusted(watched{})
	s.SetSettings([]cluster.Setting{})
	s.SetFailures(watched{})
	s.SetCaptures(watched{})
	s.SetDefinitions(kept{})
	for route, op := range operations(described(t)) {
		for _, p := range op.Parameters {
			if p.Value.In != "query" || p.Value.Name == "vm" && p.Value.Schema != nil { // a name or UUID may be anything
				continue
			}
			for _, text := range values[p.Value.Name] {
				q := url.Values{"subject": {"h1"}, "of": {"host/h1"}, "vm": {values["vm"][5]}}
				if strings.HasSuffix(route, "/where") {
					q.Del("vm")
				}
				if strings.HasSuffix(route, "/trends") {
					q.Set("subject", "cluster")
				}
				if strings.HasSuffix(route, "/moves") || strings.HasSuffix(route, "/trends") && p.Value.Name != "hours" { // which end before they begin, or are too long, where only one of the two is given
					q.Set("from", "2026-11-22T10:00:00Z")
					q.Set("to", "2026-11-23T10:00:00Z")
				}
				q.Set(p.Value.Name, text)
				want := 200
				if !allows(p.Value, text) {
					want = 400
				}
				if got := status(t, s, "GET", strings.TrimPrefix(route, "GET ")+"?"+q.Encode(), "", ""); got != want {
					t.Errorf("%s with %s=%q answers %d, and the document says %d", route, p.Value.Name, text, got, want)
				}
			}
		}
	}
}

func allows(p *openapi3.Parameter, text string) bool {
	schema, v := p.Schema, any(text)
	if schema == nil {
		schema = p.Content["application/json"].Schema
		if json.Unmarshal([]byte(text), &v) != nil {
			return false
		}
	} else if n, err := strconv.ParseFloat(text, 64); err == nil && schema.Value.Type.Is("integer") {
		v = n
	}
	return schema.Value.VisitJSON(v, openapi3.EnableFormatValidation()) == nil
}

// endless gives as many bytes as are asked for, and counts them.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	e.read += len(b)
	return len(b), nil
}

func TestALargeBodyCostsNothing(t *testing.T) {
	h := &house{}
	s, _ := serve(t, h, nil)
	for _, r := range api.Routes() {
		if r.Method == http.MethodGet || r.Path == "/-/reload" { // these read no body
			continue
		}
		path := strings.NewReplacer("{id}", "abc", "{vm}", "abc").Replace(r.Path)
		if got := status(t, s, r.Method, path, secret, `{"reason": "`+strings.Repeat("x", 1<<20)+`"}`); got != http.StatusBadRequest {
			t.Errorf("%s %s: a body of 1 MiB gives %d", r.Method, r.Path, got)
		}
		body := &endless{}
		req := httptest.NewRequest(r.Method, path, body)
		req.Header.Set(api.TokenHeader, secret)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code != http.StatusBadRequest || body.read > 128<<10 {
			t.Errorf("%s %s: a body without end gives %d, and %d bytes of it were read", r.Method, r.Path, w.Code, body.read)
		}
	}
	if len(h.said) > 0 {
		t.Errorf("heard %q", h.said)
	}
}

// TestTheClientAsksForWhatTheDocumentHas calls every method of the client. Only what needs no client is not asked for.
func TestTheClientAsksForWhatTheDocumentHas(t *testing.T) {
	asked := map[string]bool{}
	ops := operations(described(t))
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		route := r.Method + " " + strings.NewReplacer("/recommendations/x", "/recommendations/{id}", "/vms/x", "/vms/{vm}", "/pprof/x", "/pprof/{kind}").Replace(r.URL.Path)
		asked[route] = true
		if ops[route] == nil {
			t.Errorf("the client asks for %s, which is not in the document", route)
		}
	}))
	defer srv.Close()
	client := reflect.ValueOf(api.NewClient(srv.URL, "", nil))
	for i := range client.NumMethod() {
		args := []reflect.Value{reflect.ValueOf(context.Background())}
		method := client.Method(i)
		for j := 1; j < method.Type().NumIn(); j++ {
			arg := reflect.New(method.Type().In(j)).Elem()
			if arg.Kind() == reflect.String {
				arg.SetString("x")
			}
			args = append(args, arg)
		}
		method.Call(args)
	}
	for route, op := range ops {
		if without := slices.Contains([]string{"openapi", "healthy", "ready"}, op.OperationID); asked[route] == without {
			t.Errorf("%s: asked for by the client %v", route, asked[route])
		}
	}
}
