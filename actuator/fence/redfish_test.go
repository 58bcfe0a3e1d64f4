package fence

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// bmc is the least of a Redfish service that a client can use.
type bmc struct {
	mu      sync.Mutex
	power   string
	systems []string
	asked   []string
	// deaf takes a Reset and does nothing; refuse answers it with an error after having obeyed.
	deaf, refuse bool
	// before is called before each answer, and answers when it returns true.
	before func(http.ResponseWriter, *http.Request) bool
}

func (b *bmc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.before != nil && b.before(w, r) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	path := strings.TrimSuffix(r.URL.Path, "/")
	if path == "/redfish/v1" {
		reply(w, map[string]any{"@odata.id": "/redfish/v1", "Id": "RootService", "Systems": link("/redfish/v1/Systems")})
		return
	}
	if user, pass, _ := r.BasicAuth(); user != "admin" || pass != password {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":{"code":"Base.1.0.NoValidSession","message":"no right for %s with %s","@Message.ExtendedInfo":[]}}`, user, pass)
		return
	}
	id, isReset := strings.CutSuffix(strings.TrimPrefix(path, "/redfish/v1/Systems/"), "/Actions/ComputerSystem.Reset")
	switch {
	case path == "/redfish/v1/Systems":
		members := []any{}
		for _, s := range b.systems {
			members = append(members, link("/redfish/v1/Systems/"+s))
		}
		reply(w, map[string]any{"Members": members, "Members@odata.count": len(members)})
	case isReset && r.Method == http.MethodPost:
		b.reset(w, r, id)
	default:
		reply(w, map[string]any{"@odata.id": path, "Id": id, "PowerState": b.power, "Actions": map[string]any{"#ComputerSystem.Reset": map[string]any{
			"target": path + "/Actions/ComputerSystem.Reset", "ResetType@Redfish.AllowableValues": []string{"On", "ForceOff"}}}})
	}
}

func (b *bmc) reset(w http.ResponseWriter, r *http.Request, id string) {
	var body struct{ ResetType string }
	_ = json.NewDecoder(r.Body).Decode(&body)
	b.asked = append(b.asked, id+" "+body.ResetType)
	if !b.deaf {
		b.power = map[string]string{"ForceOff": "Off", "On": "On"}[body.ResetType]
	}
	if b.refuse {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"error":{"message":"general","@Message.ExtendedInfo":[{"Message":"the system is busy"}]}}`)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func link(path string) map[string]string { return map[string]string{"@odata.id": path} }

func reply(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

// serve starts the service and returns how to reach it.
func serve(t *testing.T, b *bmc) Redfish {
	t.Helper()
	if b.systems == nil {
		b.systems = []string{"1"}
	}
	s := httptest.NewTLSServer(b)
	t.Cleanup(s.Close)
	dir := t.TempDir()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return Redfish{URL: s.URL, Username: "admin", PasswordFile: file(t, dir, "password", password, 0o600), CAFile: file(t, dir, "ca.pem", ca, 0o644)}
}

func TestRedfishSwitchesAndTells(t *testing.T) {
	b := &bmc{power: "On"}
	s := serve(t, b)
	f := New([]Host{{Name: "host1", Methods: []Method{{Redfish: &s, Timeout: 10 * time.Second}}}})
	if r := f.Status(within(t, 20*time.Second), "host1"); r.State != cluster.PowerOn || r.Method != "redfish "+s.URL {
		t.Errorf("%+v", r)
	}
	if r, err := f.Off(within(t, 20*time.Second), "host1"); err != nil || r.State != cluster.PowerOff || r.Level != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := f.On(within(t, 20*time.Second), "host1"); err != nil || r.State != cluster.PowerOn {
		t.Errorf("%+v, %v", r, err)
	}
	if got := strings.Join(b.asked, ", "); got != "1 ForceOff, 1 On" {
		t.Errorf("it was asked for %s", got)
	}
}

func TestWhatRedfishStatusProves(t *testing.T) {
	for power, want := range map[string]cluster.PowerState{"On": cluster.PowerOn, "Off": cluster.PowerOff, "PoweringOff": cluster.PowerOn, "PoweringOn": cluster.PowerOn, "Paused": cluster.PowerOn} {
		s := serve(t, &bmc{power: power})
		if got, err := s.status(within(t, 10*time.Second)); got != want || err != nil {
			t.Errorf("%s: %s, %v", power, got, err)
		}
	}
	for _, power := range []string{"", "off", "Standby"} {
		s := serve(t, &bmc{power: power})
		if got, err := s.status(within(t, 10*time.Second)); got != cluster.PowerUnknown || err == nil || !strings.Contains(err.Error(), "neither on nor off") {
			t.Errorf("%q: %s, %v", power, got, err)
		}
	}
}

func TestRedfishThatLiesIsNotBelieved(t *testing.T) {
	b := &bmc{power: "On", deaf: true}
	s := serve(t, b)
	f := New([]Host{{Name: "host1", Methods: []Method{{Redfish: &s, Timeout: 1500 * time.Millisecond}}}})
	r, err := f.Off(within(t, 20*time.Second), "host1")
	if err == nil || r.State != cluster.PowerUnknown || !strings.Contains(err.Error(), "it took the command to turn off, and status says on, for 1.5s") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRedfishThatRefusesAfterItObeyedIsBelievedByItsStatus(t *testing.T) {
	s := serve(t, &bmc{power: "On", refuse: true})
	f := New([]Host{{Name: "host1", Methods: []Method{{Redfish: &s, Timeout: 5 * time.Second}}}})
	r, err := f.Off(within(t, 20*time.Second), "host1")
	if err != nil || r.State != cluster.PowerOff || r.Steps[0].Error != "HTTP 409: the system is busy" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWhyRedfishCannotBeAsked(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*testing.T, *bmc, *Redfish)
		want   string
	}{
		{"no such user", func(_ *testing.T, _ *bmc, s *Redfish) { s.Username = "root" }, "HTTP 401: the user is refused; look at username, the password file, and the user's right to control power. no right for root with [hidden]"},
		{"everybody may read the password", func(t *testing.T, _ *bmc, s *Redfish) {
			if err := os.Chmod(s.PasswordFile, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "everybody on this machine may use it"},
		{"a certificate that nobody vouches for", func(_ *testing.T, _ *bmc, s *Redfish) { s.CAFile = "" }, "certificate signed by unknown authority"},
		{"no CA", func(t *testing.T, _ *bmc, s *Redfish) { s.CAFile = filepath.Join(t.TempDir(), "none") }, "no such file"},
		{"a CA that is none", func(_ *testing.T, _ *bmc, s *Redfish) { s.CAFile = s.PasswordFile }, "holds no certificate in PEM"},
		{"in clear text", func(_ *testing.T, _ *bmc, s *Redfish) { s.URL = strings.Replace(s.URL, "https", "http", 1) }, "would send the password in clear text"},
		{"two systems", func(_ *testing.T, b *bmc, _ *Redfish) { b.systems = []string{"1", "2"} }, "it has 2 systems (1, 2); say which by system"},
		{"another system", func(_ *testing.T, _ *bmc, s *Redfish) { s.System = "7" }, "it has no system 7; it has 1"},
		{"no system", func(_ *testing.T, b *bmc, _ *Redfish) { b.systems = []string{} }, "it has 0 systems"},
		{"slow", func(_ *testing.T, b *bmc, _ *Redfish) {
			b.before = func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
		}, "no answer within 1"},
		{"elsewhere", func(_ *testing.T, b *bmc, _ *Redfish) {
			b.before = func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "https://127.0.0.2:1/redfish/v1/", http.StatusFound)
				return true
			}
		}, "it refers to another service, https://127.0.0.2:1, which is not asked"},
		{"endless", func(_ *testing.T, b *bmc, _ *Redfish) {
			b.before = func(w http.ResponseWriter, r *http.Request) bool {
				_, _ = w.Write([]byte(`{"Name":"` + strings.Repeat("x", maxBody) + `"}`))
				return true
			}
		}, "unexpected EOF"},
		{"no JSON", func(_ *testing.T, b *bmc, _ *Redfish) {
			b.before = func(w http.ResponseWriter, r *http.Request) bool {
				_, _ = io.WriteString(w, "<html>"+password)
				return true
			}
		}, "invalid character"},
		{"an error with the password", func(_ *testing.T, b *bmc, _ *Redfish) {
			b.before = func(w http.ResponseWriter, r *http.Request) bool {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, strings.Repeat("x", 290)+password+r.Header.Get("Authorization"))
				return true
			}
		}, "HTTP 500: xxx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bmc{power: "Off"}
			s := serve(t, b)
			c.change(t, b, &s)
			state, err := s.status(within(t, 1500*time.Millisecond))
			if state != cluster.PowerUnknown || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %v, want %q", state, err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "s3cr") || len(err.Error()) > 500) {
				t.Errorf("the error tells the password, or too much: %v", err)
			}
		})
	}
}

func TestInsecureTakesAnyCertificate(t *testing.T) {
	s := serve(t, &bmc{power: "Off", systems: []string{"a", "b"}})
	s.CAFile, s.Insecure, s.System = "", true, "b"
	if state, err := s.status(within(t, 10*time.Second)); state != cluster.PowerOff || err != nil {
		t.Errorf("%s, %v", state, err)
	}
}
