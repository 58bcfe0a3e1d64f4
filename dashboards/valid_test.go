package dashboards

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// model is what the tests look at of a dashboard.
type model struct {
	UID, Title    string
	SchemaVersion int
	Tags          []string
	Panels        []panel
	Templating    struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Annotations struct {
		List []struct {
			Name, Expr string
			Datasource ref
		}
	}
}

type ref struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               ref
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		RefID, Expr string
		Datasource  ref
	}
	FieldConfig struct {
		Defaults  struct{ Unit, NoValue string }
		Overrides []struct {
			Matcher    struct{ Options any }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
}

// built returns every dashboard as plain values, twice: as the tests look at it, and whole.
func built(t *testing.T) ([]model, []any) {
	t.Helper()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	var models []model
	var wholes []any
	for _, d := range all {
		var m model
		var whole any
		for _, into := range []any{&m, &whole} {
			if err := json.Unmarshal(d.JSON, into); err != nil {
				t.Fatal(err)
			}
		}
		models, wholes = append(models, m), append(wholes, whole)
	}
	return models, wholes
}

func TestEveryPanelSaysWhatItShows(t *testing.T) {
	models, _ := built(t)
	for _, m := range models {
		ids := map[int]bool{}
		for _, p := range m.Panels {
			where := fmt.Sprintf("%s, panel %q", m.Title, p.Title)
			if p.Title == "" || p.ID == 0 || ids[p.ID] {
				t.Errorf("%s has number %d, which is 0 or another's, or no title", where, p.ID)
			}
			ids[p.ID] = true
			if p.Type == "row" {
				continue
			}
			if len(strings.Fields(p.Description)) < 4 || p.FieldConfig.Defaults.Unit == "" || p.FieldConfig.Defaults.NoValue == "" {
				t.Errorf("%s needs a description of what it shows and what is bad, a unit, and a word for nothing", where)
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s asks nothing", where)
			}
			refs := map[string]bool{}
			for _, q := range p.Targets {
				if refs[q.RefID] || q.RefID == "" {
					t.Errorf("%s has two queries %q", where, q.RefID)
				}
				refs[q.RefID] = true
				if want := (ref{"prometheus", "${datasource}"}); q.Datasource != want || p.Datasource != want {
					t.Errorf("%s, query %s asks %v and not the Prometheus that was chosen", where, q.RefID, q.Datasource)
				}
			}
		}
	}
}

func TestPanelsStandBesideOneAnother(t *testing.T) {
	models, _ := built(t)
	for _, m := range models {
		taken := map[[2]int]string{}
		for _, p := range m.Panels {
			g := p.GridPos
			if g.W < 3 && p.Type != "row" || g.H < 1 || g.X < 0 || g.X+g.W > columns {
				t.Errorf("%s, panel %q stands at %+v: too narrow, or outside of the %d columns", m.Title, p.Title, g, columns)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, there := taken[[2]int{x, y}]; there {
						t.Fatalf("%s, panels %q and %q overlap", m.Title, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// Grafana fills in the variables before Prometheus sees a query.
func TestEveryQueryParses(t *testing.T) {
	models, _ := built(t)
	for _, m := range models {
		for where, expr := range expressions(m) {
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(filled(expr)); err != nil {
				t.Errorf("%s: %v\n%s", where, err, expr)
			}
		}
	}
}

// expressions are a dashboard's queries by where they stand.
func expressions(m model) map[string]string {
	all := map[string]string{}
	for _, p := range m.Panels {
		for _, q := range p.Targets {
			all[fmt.Sprintf("%s, panel %q, query %s", m.Title, p.Title, q.RefID)] = q.Expr
		}
	}
	for _, a := range m.Annotations.List {
		if a.Expr != "" {
			all[fmt.Sprintf("%s, annotation %q", m.Title, a.Name)] = a.Expr
		}
	}
	return all
}

// filled puts values in place of variables: times in place of Grafana's own, which begin with underscores.
func filled(expr string) string {
	expr = strings.ReplaceAll(expr, "$__range_s", "60")
	expr = regexp.MustCompile(`\$__\w+`).ReplaceAllString(expr, "1m")
	return regexp.MustCompile(`\$[a-z]+`).ReplaceAllString(expr, "x")
}

func TestVariablesThatAreUsedAreThere(t *testing.T) {
	models, wholes := built(t)
	for i, m := range models {
		there := []string{}
		for _, v := range m.Templating.List {
			there = append(there, v.Name)
		}
		if len(there) < 4 || there[0] != "datasource" || m.Templating.List[0].Type != "datasource" || m.Templating.List[0].Query != "prometheus" {
			t.Errorf("%s has the variables %v; the first is a data source of type prometheus", m.Title, there)
		}
		for _, text := range texts(wholes[i]) {
			for _, found := range regexp.MustCompile(`\$\{?([a-z]+)\b`).FindAllStringSubmatch(text, -1) {
				if !slices.Contains(there, found[1]) {
					t.Errorf("%s has no variable %s:\n%s", m.Title, found[1], text)
				}
			}
		}
	}
}

// texts are all strings of a value.
func texts(v any) []string {
	var all []string
	switch v := v.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, one := range v {
			all = append(all, texts(one)...)
		}
	case map[string]any:
		for _, one := range v {
			all = append(all, texts(one)...)
		}
	}
	return all
}

func TestLinksLeadToDashboardsAndTheirVariables(t *testing.T) {
	models, wholes := built(t)
	variables := map[string][]string{}
	for _, m := range models {
		for _, v := range m.Templating.List {
			variables[m.UID] = append(variables[m.UID], v.Name)
		}
	}
	links := 0
	for i, m := range models {
		for _, text := range texts(wholes[i]) {
			if !strings.HasPrefix(text, "/d/") {
				continue
			}
			links++
			uid, query, _ := strings.Cut(strings.TrimPrefix(text, "/d/"), "?")
			if variables[uid] == nil {
				t.Errorf("%s links to %s, which is no dashboard", m.Title, text)
			}
			if !strings.Contains(query, "${__url_time_range}") || !strings.Contains(query, "${datasource:queryparam}") {
				t.Errorf("%s links to %s without its time and data source", m.Title, text)
			}
			for _, part := range strings.Split(query, "&") {
				name, _, _ := strings.Cut(part, "=")
				name, err := url.QueryUnescape(name)
				if v, is := strings.CutPrefix(name, "var-"); err != nil || is && !slices.Contains(variables[uid], v) {
					t.Errorf("%s links to %s, and %s has no variable %s", m.Title, text, uid, v)
				}
			}
		}
	}
	if links == 0 {
		t.Error("no dashboard links to a host or VM")
	}
}

func TestDashboardsAreTakenAsTheyAre(t *testing.T) {
	models, wholes := built(t)
	seen := map[string]bool{}
	for i, m := range models {
		if seen[m.UID] || !strings.HasPrefix(m.UID, "evenkeel-") || len(m.UID) > 40 {
			t.Errorf("%s has UID %q, which another has or Grafana does not take", m.Title, m.UID)
		}
		seen[m.UID] = true
		if m.SchemaVersion < 41 || !slices.Contains(m.Tags, tag) {
			t.Errorf("%s has schema version %d and tags %v", m.Title, m.SchemaVersion, m.Tags)
		}
		if _, there := wholes[i].(map[string]any)["id"]; there {
			t.Errorf("%s has a number, which is another dashboard's in each Grafana", m.Title)
		}
		for _, where := range nulls(m.UID, wholes[i]) {
			t.Errorf("%s is null", where)
		}
	}
}

// nulls are the places of a value where null stands. The base of thresholds is one: Grafana writes minus infinity that way.
func nulls(at string, v any) []string {
	var all []string
	switch v := v.(type) {
	case nil:
		if !strings.HasSuffix(at, ".steps[0].value") {
			all = append(all, at)
		}
	case []any:
		for i, one := range v {
			all = append(all, nulls(fmt.Sprintf("%s[%d]", at, i), one)...)
		}
	case map[string]any:
		for key, one := range v {
			all = append(all, nulls(at+"."+key, one)...)
		}
	}
	return all
}
