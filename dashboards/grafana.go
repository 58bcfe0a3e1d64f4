package dashboards

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/grafana-tools/sdk"
)

const (
	// maxWait is how long one call to Grafana may take.
	maxWait = 15 * time.Second
	// maxMarks is how many annotations are asked for at once to see which are there already.
	maxMarks = 10000
	// maxRefusal is how much of a refusal is read.
	maxRefusal = 64 << 10
)

// Grafana is a Grafana to which dashboards and annotations are written.
type Grafana struct {
	base   *url.URL
	http   *http.Client
	client *sdk.Client
	wait   time.Duration
}

// NewGrafana returns the Grafana at the URL. The transport bears the credentials.
func NewGrafana(base string, transport http.RoundTripper) (*Grafana, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no URL of a Grafana; write it as https://grafana.example", base)
	}
	if u.User != nil {
		return nil, errors.New("the URL of Grafana holds a name or password; put them into files")
	}
	over := &http.Client{Transport: refusals{transport}}
	client, err := sdk.NewClient(base, "", over)
	return &Grafana{u, over, client, maxWait}, err
}

// refusals makes an error of every answer that is none of success: the client library takes some of them for answers.
type refusals struct{ next http.RoundTripper }

func (t refusals) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return nil, err
	}
	var problem struct{ Message string }
	if json.Unmarshal(body, &problem) != nil || problem.Message == "" {
		problem.Message = "no reason given"
	}
	return nil, &RefusedError{resp.StatusCode, problem.Message}
}

// RefusedError is Grafana's no.
type RefusedError struct {
	Status  int
	Message string
}

func (e *RefusedError) Error() string {
	hint := ""
	switch e.Status {
	case http.StatusUnauthorized:
		hint = "; give it the token of a service account that is valid, or a user and password"
	case http.StatusForbidden:
		hint = "; the service account or user takes the role Editor, and the right datasources:read (which the role Admin has) where no data source is named by its UID"
	case http.StatusNotFound:
		hint = "; is the URL that of Grafana, with its path below the host if it has one?"
	case http.StatusPreconditionFailed:
		hint = "; a dashboard with this UID that was provisioned from a file, or another with its title in the folder, is in the way"
	}
	return fmt.Sprintf("Grafana answers %d: %s%s", e.Status, e.Message, hint)
}

// call gives one call its deadline, and says what was tried.
func call[T any](ctx context.Context, g *Grafana, what string, f func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	v, err := f(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s; is the URL right, and Grafana reachable from here?", g.wait)
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// Push writes every dashboard into the folder, which is made where there is none, and has them ask the data source, by its
// name or UID; "" is the only one of kind Prometheus that there is. It may be done again: what was there is replaced. It returns the
// paths of the dashboards.
func (g *Grafana) Push(ctx context.Context, folder, source string) ([]string, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	chosen, err := g.source(ctx, source)
	if err != nil {
		return nil, err
	}
	in, err := g.folder(ctx, folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, d := range all {
		text, err := preset(d.JSON, chosen)
		if err != nil {
			return nil, err
		}
		path, err := call(ctx, g, "write the dashboard "+d.UID, func(ctx context.Context) (string, error) { return g.write(ctx, text, in) })
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// write writes one dashboard and returns its path. The client library knows folders by their numbers alone, and Grafana has gone over
// to UIDs: it would put the dashboard at its top.
func (g *Grafana) write(ctx context.Context, text []byte, folder string) (string, error) {
	body, err := json.Marshal(struct {
		Dashboard json.RawMessage `json:"dashboard"`
		FolderUID string          `json:"folderUid,omitempty"`
		Overwrite bool            `json:"overwrite"`
		Message   string          `json:"message"`
	}{text, folder, true, "evenkeel dashboards push"})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base.JoinPath("api", "dashboards", "db").String(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct{ URL string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRefusal)).Decode(&answer); err != nil {
		return "", fmt.Errorf("understand the answer: %w", err)
	}
	return answer.URL, nil
}

// source finds the data source that the dashboards are to ask.
func (g *Grafana) source(ctx context.Context, named string) (sdk.Datasource, error) {
	all, err := call(ctx, g, "list data sources", g.client.GetAllDatasources)
	var refused *RefusedError
	if named != "" && errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		return sdk.Datasource{Name: named, UID: named}, nil // who may not look has to know
	}
	if err != nil {
		return sdk.Datasource{}, err
	}
	var names []string
	var fit []sdk.Datasource
	for _, s := range all {
		if s.Type != "prometheus" {
			continue
		}
		names = append(names, fmt.Sprintf("%s (%s)", s.Name, s.UID))
		if named == "" || named == s.Name || named == s.UID {
			fit = append(fit, s)
		}
	}
	switch {
	case len(names) == 0:
		return sdk.Datasource{}, errors.New("Grafana has no data source of type prometheus; make one that points at the Prometheus of evenkeel (docs/grafana/datasource.yml is an example)")
	case len(fit) == 0:
		return sdk.Datasource{}, fmt.Errorf("no data source of type prometheus has the name or UID %q; there are %s", named, strings.Join(names, ", "))
	case len(fit) > 1:
		return sdk.Datasource{}, fmt.Errorf("several data sources would do; name one of %s with --datasource", strings.Join(names, ", "))
	}
	return fit[0], nil
}

// folder returns the UID of the folder with the title, "" for Grafana's own top.
func (g *Grafana) folder(ctx context.Context, title string) (string, error) {
	if title == "" {
		return "", nil
	}
	all, err := call(ctx, g, "list folders", func(ctx context.Context) ([]sdk.Folder, error) { return g.client.GetAllFolders(ctx) })
	if err != nil {
		return "", err
	}
	for _, f := range all {
		if f.Title == title {
			return f.UID, nil
		}
	}
	made, err := call(ctx, g, "make the folder "+title, func(ctx context.Context) (sdk.Folder, error) {
		return g.client.CreateFolder(ctx, sdk.Folder{Title: title})
	})
	return made.UID, err
}

// preset has a dashboard begin with the data source.
func preset(text []byte, source sdk.Datasource) ([]byte, error) {
	var model map[string]any
	if err := json.Unmarshal(text, &model); err != nil {
		return nil, err
	}
	variables := model["templating"].(map[string]any)["list"].([]any)
	variables[0].(map[string]any)["current"] = map[string]any{"text": source.Name, "value": source.UID} // usualVariables begins with it
	return json.Marshal(model)
}

// Annotate writes what was done since a time as annotations, which all dashboards show. What is there already is not
// written again. It returns how many are new.
func (g *Grafana) Annotate(ctx context.Context, done []cluster.Case, since, now time.Time) (int, error) {
	there, err := call(ctx, g, "list annotations", func(ctx context.Context) ([]sdk.AnnotationResponse, error) {
		return g.client.GetAnnotations(ctx, sdk.WithTag(tag), sdk.WithAnnotationType(), sdk.WithLimit(maxMarks), between(since, now))
	})
	if err != nil {
		return 0, err
	}
	known := map[string]bool{}
	for _, a := range there {
		for _, t := range a.Tags {
			known[t] = true
		}
	}
	written := 0
	for _, c := range done {
		o := c.Outcome
		if o == nil || o.Finished.Before(since) || known[idTag(c)] {
			continue
		}
		if _, err := call(ctx, g, "write an annotation", func(ctx context.Context) (sdk.StatusMessage, error) {
			return g.client.CreateAnnotation(ctx, annotationOf(c))
		}); err != nil {
			return written, err
		}
		written++
	}
	return written, nil
}

// between asks for annotations of a time. An annotation that began before and ended in it is among them.
func between(from, to time.Time) sdk.GetAnnotationsParams {
	return func(v url.Values) {
		v.Set("from", strconv.FormatInt(from.UnixMilli(), 10))
		v.Set("to", strconv.FormatInt(to.UnixMilli(), 10))
	}
}

func idTag(c cluster.Case) string { return "id:" + c.Recommendation.ID }

// annotationOf says what was done, from the intent to the outcome.
func annotationOf(c cluster.Case) sdk.CreateAnnotationRequest {
	a, o := c.Recommendation.Action, c.Outcome
	tags := []string{tag, a.Kind.String(), "result:" + o.Result.String(), idTag(c)}
	if name := cmp.Or(a.Name, a.VM); name != "" {
		tags = append(tags, "vm:"+name)
	}
	for _, host := range slices.Compact([]string{a.From, a.To}) {
		if host != "" {
			tags = append(tags, "host:"+host)
		}
	}
	text := fmt.Sprintf("%s: %s", a, o.Result)
	if o.Reason != "" {
		text += " (" + o.Reason + ")"
	}
	begun := o.Started
	if begun.IsZero() {
		begun = o.Finished // it was refused before it was begun
	}
	return sdk.CreateAnnotationRequest{Time: begun.UnixMilli(), TimeEnd: o.Finished.UnixMilli(), Tags: tags, Text: text}
}
