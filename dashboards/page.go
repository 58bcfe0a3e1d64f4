package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

// columns is how wide Grafana's grid is.
const columns = 24

// source is the data source that the reader chose.
func source() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// newPage begins a dashboard with what all of them have: links to the others, the choice of Prometheus and of the
// cluster, and what befell the cluster as marks on the graphs.
func newPage(uid, title, says string, variables ...cog.Builder[dashboard.VariableModel]) *page {
	b := dashboard.NewDashboardBuilder("evenkeel / "+title).Uid(uid).Description(says).Tags([]string{tag}).
		Time("now-3h", "now").Refresh("30s").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("evenkeel").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).
			Icon("external link").Tooltip("the other dashboards of evenkeel, for the same time").IncludeVars(true).KeepTime(true)).
		Variables(append(usualVariables(), variables...))
	model, err := b.Build()
	for i := range model.Templating.List {
		v := &model.Templating.List[i]
		v.Auto, v.AutoMin, v.AutoCount = nil, nil, nil // the library writes them for every variable; they are for intervals alone
	}
	return &page{uid: uid, model: model, annotations: []annotation{written(), arrivals(), doings(), verdicts()}, err: err}
}

// from has the page begin with another time than the usual one.
func (p *page) from(time string) *page {
	p.model.Time.From = time
	return p
}

// heading begins a new part of the page.
func (p *page) heading(title string) {
	p.id++
	row := dashboard.NewRowPanel()
	row.Id, row.Title, row.Panels = p.id, &title, []dashboard.Panel{}
	row.GridPos = &dashboard.GridPos{H: 1, W: columns, Y: p.y}
	p.y++
	p.model.Panels = append(p.model.Panels, dashboard.PanelOrRowPanel{RowPanel: row})
}

// line puts panels side by side. Those that have no width share what the others leave.
func (p *page) line(height uint32, panels ...cog.Builder[dashboard.Panel]) {
	var built []dashboard.Panel
	left, open := uint32(columns), uint32(0)
	for _, b := range panels {
		one, err := b.Build()
		if err != nil {
			if p.err == nil {
				p.err = err
			}
			return
		}
		if o, is := one.Options.(*table.Options); is {
			o.Footer = nil // the library still has it; Grafana 12 does not
		}
		if one.GridPos == nil || one.GridPos.W == 0 {
			open++
		} else {
			left -= one.GridPos.W
		}
		built = append(built, one)
	}
	x := uint32(0)
	for _, one := range built {
		var w uint32
		if one.GridPos == nil || one.GridPos.W == 0 {
			w = left / open
			left, open = left-w, open-1
		} else {
			w = one.GridPos.W
		}
		p.id++
		id := p.id
		one.Id, one.GridPos = &id, &dashboard.GridPos{X: x, Y: p.y, W: w, H: height}
		x += w
		p.model.Panels = append(p.model.Panels, dashboard.PanelOrRowPanel{Panel: &one})
	}
	p.y += height
}

// usualVariables are the ones that every dashboard has. One Prometheus may hold several clusters: the server's own
// series are told apart by the server, which says which cluster it looks after, and those of the exporters, which know
// no cluster, by the hosts that the server knows.
func usualVariables() []cog.Builder[dashboard.VariableModel] {
	return []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus"),
		ask("cluster", "Cluster", "label_values(evenkeel_server_info, evenkeel_cluster)"),
		every("server", `label_values(evenkeel_server_info{evenkeel_cluster="$cluster"}, instance)`),
		every("hosts", `label_values(evenkeel_host_state{instance=~"$server"}, host)`),
	}
}

// ask is a variable of which the reader chooses one value.
func ask(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source()).Query(variableQuery(query)).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortNaturalAsc)
}

// every is a variable that nobody sees and that stands for all its values.
func every(name, query string) *dashboard.QueryVariableBuilder {
	all, value := "All", "$__all"
	return ask(name, name, query).Hide(dashboard.VariableHideHideVariable).Multi(true).IncludeAll(true).
		Current(dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{all}}, Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{value}}})
}

// variableQuery is how Grafana's editor for variables writes what is asked of Prometheus.
func variableQuery(query string) dashboard.StringOrMap {
	return dashboard.StringOrMap{Map: map[string]any{"query": query, "qryType": 1, "refId": "PrometheusVariableQueryEditor-VariableQuery"}}
}

// annotation is a query for marks on graphs. The library has no fields for what a mark says.
type annotation struct {
	Name       string               `json:"name"`
	Datasource common.DataSourceRef `json:"datasource"`
	Enable     bool                 `json:"enable"`
	Hide       bool                 `json:"hide"`
	IconColor  string               `json:"iconColor"`
	Type       string               `json:"type,omitempty"`
	Expr       string               `json:"expr,omitempty"`
	Step       string               `json:"step,omitempty"`
	Title      string               `json:"titleFormat,omitempty"`
	Text       string               `json:"textFormat,omitempty"`
	Tags       string               `json:"tagKeys,omitempty"`
	Target     map[string]any       `json:"target,omitempty"`
}

// written shows what was written to Grafana itself: evenkeel dashboards push --annotations does that.
func written() annotation {
	kind, uid := "grafana", "-- Grafana --"
	return annotation{Name: "Written by evenkeel", Datasource: common.DataSourceRef{Type: &kind, Uid: &uid}, Enable: true, IconColor: "purple", Type: "tags",
		Target: map[string]any{"type": "tags", "tags": []string{tag}, "limit": 200, "matchAny": false}}
}

// mark asks once a minute, so that an offset of a minute finds each change once.
func mark(name, colour, expr, title, text, tags string) annotation {
	return annotation{Name: name, Datasource: source(), Enable: true, IconColor: colour, Expr: expr, Step: "1m", Title: title, Text: text, Tags: tags}
}

// arrivals are VMs that are on a host on which they were not a minute ago, whoever moved them.
func arrivals() annotation {
	return mark("VM came to host", "blue",
		`(group by (vm, name, host) (evenkeel_vm_info{host=~"$hosts"}) unless on (vm, host) group by (vm, host) (evenkeel_vm_info offset 1m))`+
			` and on (vm) group by (vm) (evenkeel_vm_info offset 1m)`,
		"{{name}} came to {{host}}", "It was on another host a minute before.", "name,host")
}

// doings are what evenkeel did, by its own count.
func doings() annotation {
	return mark("evenkeel acted", "green", `sum by (kind, result) (increase(evenkeel_actions_total{instance=~"$server"}[1m])) > 0.5`,
		"evenkeel: {{kind}} {{result}}", "At least one in the minute before.", "kind,result")
}

// verdicts are hosts that are no longer alive, as the server sees it.
func verdicts() annotation {
	return mark("Host not alive", "red",
		`(max by (host, verdict) (evenkeel_host_verdict{instance=~"$server", verdict!="alive"}) == 1) unless on (host, verdict) (max by (host, verdict) (evenkeel_host_verdict{instance=~"$server"} offset 1m) == 1)`,
		"{{host}}: {{verdict}}", "The verdict on the host changed in the minute before.", "host,verdict")
}
