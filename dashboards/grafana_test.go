package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// grafana stands in for Grafana. It takes what Grafana's documentation says, and nothing else.
type grafana struct {
	t *testing.T

	mu          sync.Mutex
	sources     []map[string]any
	folders     []map[string]any
	dashboards  map[string]map[string]any // by UID
	in          map[string]string         // the dashboards' folders
	annotations []map[string]any
	refuse      map[string]int // by method and path: the status to answer with
	hang        string         // the method and path that get no answer
}

func (g *grafana) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	what := r.Method + " " + r.URL.Path
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			g.t.Error(err)
		}
	}
	if got := r.Header.Get("Authorization"); got != "Bearer secret" {
		answer(http.StatusUnauthorized, map[string]any{"message": "Invalid API key"})
		return
	}
	if status := g.refuse[what]; status != 0 {
		answer(status, map[string]any{"message": "so be it"})
		return
	}
	body := map[string]any{}
	if r.Method == http.MethodPost {
		if got := r.Header.Get("Content-Type"); got != "application/json" {
			g.t.Errorf("%s has content type %q", what, got)
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			g.t.Errorf("%s: %v", what, err)
		}
	}
	if g.hang == what {
		<-r.Context().Done() // the body has been read, or the server would not see that the client is gone
		return
	}
	switch what {
	case "GET /grafana/api/datasources":
		answer(http.StatusOK, g.sources)
	case "GET /grafana/api/folders":
		answer(http.StatusOK, g.folders)
	case "POST /grafana/api/folders":
		f := map[string]any{"id": 7, "uid": "made", "title": body["title"]}
		g.folders = append(g.folders, f)
		answer(http.StatusOK, f)
	case "POST /grafana/api/dashboards/db":
		g.save(body, answer)
	case "GET /grafana/api/annotations":
		g.list(r, answer)
	case "POST /grafana/api/annotations":
		g.annotations = append(g.annotations, body)
		answer(http.StatusOK, map[string]any{"message": "Annotation added", "id": len(g.annotations)})
	default:
		g.t.Errorf("%s is nothing that was to be asked for", what)
		answer(http.StatusNotFound, map[string]any{"message": "Not found"})
	}
}

// save takes a dashboard as Grafana does: by its UID, and in place of another only where it is told to.
func (g *grafana) save(body map[string]any, answer func(int, any)) {
	for key := range body {
		if !slices.Contains([]string{"dashboard", "folderUid", "overwrite", "message"}, key) {
			g.t.Errorf("a dashboard was sent with %s, which Grafana does not know", key)
		}
	}
	model := body["dashboard"].(map[string]any)
	if id, there := model["id"]; there && id != nil {
		g.t.Errorf("a dashboard was sent with the number %v, which belongs to another Grafana", id)
	}
	uid, _ := model["uid"].(string)
	if uid == "" || len(uid) > 40 {
		g.t.Errorf("a dashboard was sent with UID %q", uid)
	}
	if _, there := g.dashboards[uid]; there && body["overwrite"] != true {
		answer(http.StatusPreconditionFailed, map[string]any{"status": "version-mismatch", "message": "The dashboard has been changed by someone else"})
		return
	}
	folder, _ := body["folderUid"].(string)
	if folder != "" && !slices.ContainsFunc(g.folders, func(f map[string]any) bool { return f["uid"] == folder }) {
		answer(http.StatusNotFound, map[string]any{"message": "folder not found"})
		return
	}
	g.dashboards[uid], g.in[uid] = model, folder
	answer(http.StatusOK, map[string]any{"id": len(g.dashboards), "uid": uid, "url": "/grafana/d/" + uid + "/x", "status": "success", "version": 1})
}

// list answers with the annotations that bear every tag and lie in the time.
func (g *grafana) list(r *http.Request, answer func(int, any)) {
	q := r.URL.Query()
	if q.Get("from") == "" || q.Get("to") == "" || q.Get("limit") == "" {
		g.t.Errorf("annotations were asked for with %v: Grafana would answer with the newest hundred of all times", q)
	}
	found := []map[string]any{}
	for i, a := range g.annotations {
		there := fmt.Sprint(a["tags"])
		if !slices.ContainsFunc(q["tags"], func(tag string) bool { return !strings.Contains(there, tag) }) {
			found = append(found, map[string]any{"id": i + 1, "tags": a["tags"], "time": a["time"]})
		}
	}
	answer(http.StatusOK, found)
}

// bearer is the transport that the command makes from a token file.
type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

func prom(name, uid string) map[string]any {
	return map[string]any{"id": 1, "uid": uid, "name": name, "type": "prometheus"}
}

func start(t *testing.T, sources ...map[string]any) (*grafana, *Grafana) {
	t.Helper()
	fake := &grafana{t: t, sources: sources, dashboards: map[string]map[string]any{}, in: map[string]string{}, refuse: map[string]int{}}
	s := httptest.NewServer(fake)
	t.Cleanup(s.Close)
	g, err := NewGrafana(s.URL+"/grafana", bearer{"secret"})
	if err != nil {
		t.Fatal(err)
	}
	return fake, g
}

func TestPushWritesEveryDashboardAndMayBeDoneAgain(t *testing.T) {
	fake, g := start(t, map[string]any{"id": 3, "uid": "l", "name": "Logs", "type": "loki"}, prom("Metrics", "p"))
	for range 2 {
		paths, err := g.Push(t.Context(), "evenkeel", "")
		if err != nil {
			t.Fatal(err)
		}
		if len(paths) != 8 || paths[0] != "/grafana/d/evenkeel-cluster/x" {
			t.Errorf("paths are %v", paths)
		}
	}
	if len(fake.dashboards) != 8 || len(fake.folders) != 1 {
		t.Errorf("%d dashboards and %d folders", len(fake.dashboards), len(fake.folders))
	}
	for uid, model := range fake.dashboards {
		if fake.in[uid] != "made" {
			t.Errorf("%s is in folder %q", uid, fake.in[uid])
		}
		first := model["templating"].(map[string]any)["list"].([]any)[0].(map[string]any)
		if current := first["current"].(map[string]any); first["name"] != "datasource" || current["value"] != "p" || current["text"] != "Metrics" {
			t.Errorf("%s begins with %v", uid, first)
		}
	}
}

func TestPushGoesIntoAFolderThatIsThereAndToTheTop(t *testing.T) {
	fake, g := start(t, prom("Metrics", "p"))
	fake.folders = []map[string]any{{"id": 1, "uid": "old", "title": "Operations"}}
	if _, err := g.Push(t.Context(), "Operations", ""); err != nil || fake.in["evenkeel-vm"] != "old" || len(fake.folders) != 1 {
		t.Errorf("in %q of %v, %v", fake.in["evenkeel-vm"], fake.folders, err)
	}
	if _, err := g.Push(t.Context(), "", ""); err != nil || fake.in["evenkeel-vm"] != "" {
		t.Errorf("in %q, %v", fake.in["evenkeel-vm"], err)
	}
}

func TestPushAsksWhichDataSource(t *testing.T) {
	two := []map[string]any{prom("One", "u1"), prom("Two", "u2")}
	for _, c := range []struct {
		sources []map[string]any
		named   string
		err     string
	}{
		{nil, "", "no data source of type prometheus"},
		{two, "", "name one of One (u1), Two (u2) with --datasource"},
		{two, "Three", `"Three"; there are One (u1), Two (u2)`},
		{two, "Two", ""},
		{two, "u2", ""},
	} {
		fake, g := start(t, c.sources...)
		_, err := g.Push(t.Context(), "", c.named)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q of %v: %v", c.named, c.sources, err)
		}
		if c.err != "" && len(fake.dashboards) > 0 {
			t.Errorf("%q of %v wrote dashboards", c.named, c.sources)
		}
	}
}

// An Editor may write dashboards and not list data sources.
func TestPushTakesAnEditorsWordForTheDataSource(t *testing.T) {
	fake, g := start(t)
	fake.refuse["GET /grafana/api/datasources"] = http.StatusForbidden
	if _, err := g.Push(t.Context(), "", ""); err == nil || !strings.Contains(err.Error(), "datasources:read") {
		t.Errorf("without a name: %v", err)
	}
	if _, err := g.Push(t.Context(), "", "p"); err != nil || len(fake.dashboards) != 8 {
		t.Errorf("with one: %d dashboards, %v", len(fake.dashboards), err)
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	for what, c := range map[string]struct {
		status int
		err    string
	}{
		"GET /grafana/api/datasources":    {http.StatusNotFound, "list data sources: Get \"URL/grafana/api/datasources\": Grafana answers 404: so be it; is the URL that of Grafana"},
		"GET /grafana/api/folders":        {http.StatusForbidden, "list folders: Get \"URL/grafana/api/folders\": Grafana answers 403: so be it; the service account or user takes the role Editor"},
		"POST /grafana/api/folders":       {http.StatusConflict, "make the folder evenkeel: Post \"URL/grafana/api/folders\": Grafana answers 409: so be it"},
		"POST /grafana/api/dashboards/db": {http.StatusPreconditionFailed, "write the dashboard evenkeel-cluster: Post \"URL/grafana/api/dashboards/db\": Grafana answers 412: so be it; a dashboard with this UID that was provisioned"},
	} {
		fake, g := start(t, prom("Metrics", "p"))
		fake.refuse[what] = c.status
		_, err := g.Push(t.Context(), "evenkeel", "")
		want := strings.ReplaceAll(c.err, "\"URL", "\""+"http://"+g.base.Host)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	fake, g := start(t, prom("Metrics", "p"))
	wrong, err := NewGrafana(g.base.String(), bearer{"wrong"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.Push(t.Context(), "", ""); err == nil || !strings.Contains(err.Error(), "Grafana answers 401: Invalid API key; give it the token") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong token: %v", err)
	}
	fake.refuse["POST /grafana/api/annotations"] = http.StatusInternalServerError
	if n, err := g.Annotate(t.Context(), []cluster.Case{ended("a", time.Now())}, time.Now().Add(-time.Hour), time.Now()); n != 0 || err == nil {
		t.Errorf("%d annotations although Grafana refuses them: %v", n, err)
	}
}

func TestAGrafanaThatHangsIsGivenUp(t *testing.T) {
	fake, g := start(t, prom("Metrics", "p"))
	fake.hang, g.wait = "POST /grafana/api/dashboards/db", 50*time.Millisecond
	if _, err := g.Push(t.Context(), "", ""); err == nil || !strings.Contains(err.Error(), "no answer within 50ms; is the URL right") {
		t.Errorf("error is %v", err)
	}
}

func TestURLsThatAreNone(t *testing.T) {
	for _, u := range []string{"", "grafana.example", "ftp://grafana.example", "https://admin:secret@grafana.example"} {
		if _, err := NewGrafana(u, bearer{}); err == nil || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// ended is a migration that was done.
func ended(id string, at time.Time) cluster.Case {
	return cluster.Case{
		Recommendation: cluster.Recommendation{ID: id, Action: cluster.Action{Kind: cluster.Migrate, VM: "1111", Name: "web1", From: "h1", To: "h2"}},
		State:          cluster.CaseDone,
		Outcome:        &cluster.Outcome{Result: cluster.ResultDone, Started: at.Add(-time.Minute), Finished: at},
	}
}

func TestWhatWasDoneIsWrittenOnce(t *testing.T) {
	fake, g := start(t)
	now := time.UnixMilli(1800000000000)
	refused := ended("refused", now.Add(-2*time.Hour))
	refused.Outcome = &cluster.Outcome{Result: cluster.ResultRefused, Reason: "gate world", Finished: now.Add(-2 * time.Hour)}
	host := ended("host", now.Add(-3*time.Hour))
	host.Recommendation.Action = cluster.Action{Kind: cluster.Fence, From: "h3"}
	history := []cluster.Case{ended("new", now.Add(-time.Hour)), refused, host, ended("old", now.Add(-48*time.Hour)), {State: cluster.CaseRejected}}
	for i, want := range []int{3, 0} {
		n, err := g.Annotate(t.Context(), history, now.Add(-24*time.Hour), now)
		if err != nil || n != want {
			t.Fatalf("run %d wrote %d, %v", i+1, n, err)
		}
	}
	history = append(history, ended("newest", now))
	if n, err := g.Annotate(t.Context(), history, now.Add(-24*time.Hour), now); err != nil || n != 1 {
		t.Errorf("one more was done, and %d were written, %v", n, err)
	}
	var got bytes.Buffer
	for _, a := range fake.annotations {
		fmt.Fprintf(&got, "%.0f-%.0f %v %v\n", a["time"], a["timeEnd"], a["tags"], a["text"])
	}
	want := `1799996340000-1799996400000 [evenkeel migrate result:done id:new vm:web1 host:h1 host:h2] migrate web1 from h1 to h2: done
1799992800000-1799992800000 [evenkeel migrate result:refused id:refused vm:web1 host:h1 host:h2] migrate web1 from h1 to h2: refused (gate world)
1799989140000-1799989200000 [evenkeel fence result:done id:host host:h3] turn h3 off: done
1799999940000-1800000000000 [evenkeel migrate result:done id:newest vm:web1 host:h1 host:h2] migrate web1 from h1 to h2: done
`
	if got.String() != want {
		t.Errorf("written:\n%swant:\n%s", got.String(), want)
	}
}
