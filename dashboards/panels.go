package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/statushistory"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// nothing is what a panel shows that has no value.
const nothing = "nothing"

// Units that are needed often, by Grafana's names.
const (
	asRatio   = "percentunit"
	asCount   = "short"
	inBytes   = "bytes"
	inSeconds = "s"
	inCores   = "suffix: cores"
	inPoints  = "suffix: points"
	inWatts   = "watt"
)

// Colours by what they say.
const (
	good  = "green"
	fair  = "yellow"
	bad   = "orange"
	worst = "red"
	plain = "blue"
	quiet = "text"
)

// query is one question of a panel, and the name of what answers it.
type query struct {
	expr, legend string
}

func (q query) builder(i int) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().RefId(string(rune('A' + i))).Expr(q.expr).LegendFormat(q.legend).EditorMode(prometheus.QueryEditorModeCode).Datasource(source())
}

// builder is what all builders of panels have in common.
type builder[T any] interface {
	Title(title string) T
	Description(description string) T
	Unit(unit string) T
	NoValue(noValue string) T
	Datasource(datasource common.DataSourceRef) T
	WithTarget(target cog.Builder[variants.Dataquery]) T
}

// titled gives a panel what every panel has to have.
func titled[T builder[T]](b T, title, says, unit string) T {
	b.Title(title)
	b.Description(says)
	b.Unit(unit)
	b.NoValue(nothing)
	return b.Datasource(source())
}

// over has a panel ask over the whole time that is shown.
func over[T builder[T]](b T, queries []query) T {
	for i, q := range queries {
		b.WithTarget(q.builder(i).Range())
	}
	return b
}

// graph draws series over time.
func graph(title, says, unit string, queries ...query) *timeseries.PanelBuilder {
	return over(titled(timeseries.NewPanelBuilder(), title, says, unit), queries).
		LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeNever).AxisSoftMin(0).ColorScheme(byName()).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
}

// stacked draws series on top of one another: their sum means something.
func stacked(title, says, unit string, queries ...query) *timeseries.PanelBuilder {
	return graph(title, says, unit, queries...).FillOpacity(45).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
}

// listed is a graph with a table of its series, for those that have many.
func listed(b *timeseries.PanelBuilder) *timeseries.PanelBuilder {
	return b.Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementRight).
		Calcs([]string{"lastNotNull", "max"}).SortBy("Max").SortDesc(true))
}

// ruled draws a graph's limits as lines.
func ruled(b *timeseries.PanelBuilder, base string, steps ...step) *timeseries.PanelBuilder {
	return b.Thresholds(limits(base, steps...)).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
}

// number shows one value large, with what it was before behind it.
func number(title, says, unit string, queries ...query) *stat.PanelBuilder {
	return over(titled(stat.NewPanelBuilder(), title, says, unit), queries).
		ReduceOptions(lastValue()).ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeArea).
		TextMode(common.BigValueTextModeAuto).Orientation(common.VizOrientationAuto).Thresholds(limits(quiet))
}

// fact shows one value large that is asked for at the end of the time shown only.
func fact(title, says, unit string, queries ...query) *stat.PanelBuilder {
	b := titled(stat.NewPanelBuilder(), title, says, unit)
	for i, q := range queries {
		b.WithTarget(q.builder(i).Instant())
	}
	return b.ReduceOptions(lastValue()).ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeNone).
		TextMode(common.BigValueTextModeAuto).Orientation(common.VizOrientationAuto).Thresholds(limits(quiet))
}

// bars compares values at the end of the time shown.
func bars(title, says, unit string, queries ...query) *bargauge.PanelBuilder {
	b := titled(bargauge.NewPanelBuilder(), title, says, unit)
	for i, q := range queries {
		b.WithTarget(q.builder(i).Instant())
	}
	return b.ReduceOptions(lastValue()).Orientation(common.VizOrientationHorizontal).DisplayMode(common.BarGaugeDisplayModeBasic).
		ValueMode(common.BarGaugeValueModeText).ShowUnfilled(true).Min(0).Thresholds(limits(plain))
}

// history shows a row of cells for each series, coloured by value: a map of what was when. Grafana refuses to draw more cells than every
// other pixel of a narrow panel holds.
func history(title, says, unit string, queries ...query) *statushistory.PanelBuilder {
	return over(titled(statushistory.NewPanelBuilder(), title, says, unit), queries).
		Tooltip(single()).ShowValue(common.VisibilityModeNever).RowHeight(0.95).ColWidth(1).FillOpacity(80).LineWidth(0).MaxDataPoints(80).Min(0).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(false).DisplayMode(common.LegendDisplayModeHidden).Placement(common.LegendPlacementBottom))
}

// timeline shows a row for each series with what it was, for as long as it was that.
func timeline(title, says, unit string, queries ...query) *statetimeline.PanelBuilder {
	return over(titled(statetimeline.NewPanelBuilder(), title, says, unit), queries).
		Tooltip(single()).ShowValue(common.VisibilityModeAuto).MergeValues(true).RowHeight(0.85).FillOpacity(75).LineWidth(0).AlignValue(common.TimelineValueAlignmentLeft).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).Thresholds(limits(plain)).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(false).DisplayMode(common.LegendDisplayModeHidden).Placement(common.LegendPlacementBottom))
}

// column is one of the values of a table.
type column struct {
	name, unit, expr string
	// limits colour the cell, where there are some; gauge draws it as a bar up to 1.
	limits cog.Builder[dashboard.ThresholdsConfig]
	gauge  bool
	// mappings say what values mean.
	mappings []dashboard.ValueMapping
}

// list is a table with a row for each set of labels that the columns share. Labels named in hidden are not shown; host and
// name lead to the dashboards about them.
func list(title, says string, hidden []string, columns ...column) *table.PanelBuilder {
	b := titled(table.NewPanelBuilder(), title, says, columns[0].unit)
	exclude, rename := map[string]bool{"Time": true}, map[string]string{}
	for _, h := range hidden {
		exclude[h] = true
	}
	for i, c := range columns {
		b.WithTarget(query{expr: c.expr}.builder(i).Instant().Format(prometheus.PromQueryFormatTable))
		rename[fmt.Sprintf("Value #%c", 'A'+i)] = c.name
		b.OverrideByName(c.name, c.properties())
	}
	if len(columns) == 1 {
		rename["Value"] = columns[0].name
	}
	return b.WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{"excludeByName": exclude, "renameByName": rename}}).
		OverrideByRegexp("^(host|from|to)$", []dashboard.DynamicConfigValue{{Id: "links", Value: []any{hostLink("${__value.text}")}}, {Id: "unit", Value: "string"}}).
		OverrideByName("name", []dashboard.DynamicConfigValue{{Id: "links", Value: []any{vmLink("${__value.text}")}}, {Id: "unit", Value: "string"}}).
		Filterable(true)
}

func (c column) properties() []dashboard.DynamicConfigValue {
	p := []dashboard.DynamicConfigValue{{Id: "unit", Value: c.unit}}
	if c.limits != nil {
		built, _ := c.limits.Build() // limits makes nothing that its builder refuses
		p = append(p, dashboard.DynamicConfigValue{Id: "thresholds", Value: built})
	}
	switch {
	case c.gauge:
		p = append(p, dashboard.DynamicConfigValue{Id: "min", Value: 0}, dashboard.DynamicConfigValue{Id: "max", Value: 1},
			dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}})
	case c.limits != nil || c.mappings != nil:
		p = append(p, dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}})
	}
	if c.mappings != nil {
		p = append(p, dashboard.DynamicConfigValue{Id: "mappings", Value: c.mappings})
	}
	return p
}

// hostLink leads to the dashboard about a host, at the same time and for the same cluster.
func hostLink(name string) dashboard.DashboardLink {
	return dataLink("Host "+name, "/d/evenkeel-host?var-host="+name)
}

// vmLink leads to the dashboard about a VM.
func vmLink(name string) dashboard.DashboardLink {
	return dataLink("VM "+name, "/d/evenkeel-vm?var-vm="+name)
}

func dataLink(title, url string) dashboard.DashboardLink {
	url += "&${datasource:queryparam}&${cluster:queryparam}&${__url_time_range}"
	return dashboard.DashboardLink{Title: title, Type: dashboard.DashboardLinkTypeLink, Url: &url, Tags: []string{}}
}

// hostLinks are the links of a panel whose series bear a host.
func hostLinks() []cog.Builder[dashboard.DashboardLink] {
	return []cog.Builder[dashboard.DashboardLink]{made(hostLink("${__field.labels.host}"))}
}

// vmLinks are the links of a panel whose series bear a VM's name.
func vmLinks() []cog.Builder[dashboard.DashboardLink] {
	return []cog.Builder[dashboard.DashboardLink]{made(vmLink("${__field.labels.name}"))}
}

// made is a link that needs no building.
type made dashboard.DashboardLink

// Build returns it.
func (m made) Build() (dashboard.DashboardLink, error) { return dashboard.DashboardLink(m), nil }

// step is a limit and the colour from there on.
type step struct {
	from   float64
	colour string
}

// limits colours values: with base below the first step.
func limits(base string, steps ...step) cog.Builder[dashboard.ThresholdsConfig] {
	all := []dashboard.Threshold{{Color: base}}
	for _, s := range steps {
		all = append(all, dashboard.Threshold{Value: &s.from, Color: s.colour})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(all)
}

// utilisation colours how full a host is: above what evenkeel lets a host be filled to, and above what it has.
func utilisation() cog.Builder[dashboard.ThresholdsConfig] {
	return limits(good, step{0.7, fair}, step{0.85, bad}, step{1, worst})
}

// scores colours a score of 0 to 100.
func scores() cog.Builder[dashboard.ThresholdsConfig] {
	return limits(worst, step{50, bad}, step{75, fair}, step{90, good})
}

// anyIs colours what should not be there at all.
func anyIs(colour string) cog.Builder[dashboard.ThresholdsConfig] {
	return limits(good, step{0.001, colour})
}

// meaning is what a value means.
type meaning struct {
	value, text, colour string
}

// means maps values to words and colours.
func means(all ...meaning) []dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for i, m := range all {
		at := int32(i)
		options[m.value] = dashboard.ValueMappingResult{Text: &m.text, Color: &m.colour, Index: &at}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

func single() cog.Builder[common.VizTooltipOptions] {
	return common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle).Sort(common.SortOrderNone)
}

func byName() cog.Builder[dashboard.FieldColor] {
	return dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassicByName)
}

func lastValue() cog.Builder[common.ReduceDataOptions] {
	return common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})
}

// sorted is the order of a table's rows.
func sorted(column string, falling bool) []cog.Builder[common.TableSortByFieldState] {
	return []cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(column).Desc(falling)}
}
