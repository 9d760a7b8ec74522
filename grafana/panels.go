package main

import (
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// The colours that stand for something. They and those of the palette stay
// apart for every common kind of colour blindness (Okabe and Ito, Tol); no
// panel relies on them alone.
// https://jfly.uni-koeln.de/color/
const (
	good    = "#0072B2"
	bad     = "#D55E00"
	unclear = "#F0E442"
	muted   = "#999999"
	// A yellow line cannot be seen on white.
	unclearLine = "#E69F00"
)

// palette colours series that are told apart and not judged.
var palette = []string{
	"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
	"#332288", "#882255", "#44AA99", "#DDCC77", "#999999",
}

// about is what a panel says of itself.
type about struct {
	title, description string
	// empty is shown instead of data, and says why there is none.
	empty string
}

// promql is the data source that the reader chose.
var promql = common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}

// panelBuilder is what the builders of all kinds of panels have in common.
type panelBuilder[B any] interface {
	Title(string) B
	Description(string) B
	NoValue(string) B
	Datasource(common.DataSourceRef) B
	Span(uint32) B
	Height(uint32) B
	Targets([]cog.Builder[variants.Dataquery]) B
}

// fill sets what every panel needs. The dashboard is 24 wide.
func fill[B panelBuilder[B]](b B, a about, width, height uint32, queries ...*prometheus.DataqueryBuilder) B {
	targets := make([]cog.Builder[variants.Dataquery], len(queries))
	for i, q := range queries {
		targets[i] = q.RefId(string(rune('A' + i))).Datasource(promql)
	}
	return b.Title(a.title).Description(a.description).NoValue(a.empty).
		Datasource(promql).Span(width).Height(height).Targets(targets)
}

// now asks for the latest value of each series.
func now(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(expr).LegendFormat(legend).Instant()
}

// rows asks for the latest value of each series as the row of a table.
func rows(expr string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(expr).LegendFormat("").Instant().Format(prometheus.PromQueryFormatTable)
}

// over asks for the course of each series over the time range.
func over(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(expr).LegendFormat(legend).Range()
}

// newStat is a panel of big numbers.
func newStat(a about, width uint32, queries ...*prometheus.DataqueryBuilder) *stat.PanelBuilder {
	return fill(stat.NewPanelBuilder(), a, width, 4, queries...).
		Unit(units.Short).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(steps(good)).
		Orientation(common.VizOrientationAuto).
		GraphMode(common.BigValueGraphModeNone).
		ColorMode(common.BigValueColorModeNone).
		TextMode(common.BigValueTextModeAuto)
}

// newVerdict is a big number on a ground that says what it means. A missing
// number is neither good nor bad, and says why it is missing.
func newVerdict(a about, width uint32, thresholds *dashboard.ThresholdsConfigBuilder, query *prometheus.DataqueryBuilder, words ...dashboard.ValueMapping) *stat.PanelBuilder {
	return newStat(a, width, query).
		Thresholds(thresholds).
		Mappings(append(words, missing(look{a.empty, muted}))).
		ColorMode(common.BigValueColorModeBackgroundSolid)
}

// points is how many values a panel over time asks for. Each costs Prometheus a
// look at every target; over a day, 100 are one for each sweep.
const points = 100

// newSeries is a panel of lines over time, with a table of names and numbers
// below it, so that no line has to be told by its colour.
func newSeries(a about, width uint32, queries ...*prometheus.DataqueryBuilder) *timeseries.PanelBuilder {
	return fill(timeseries.NewPanelBuilder(), a, width, 9, queries...).
		MaxDataPoints(points).
		Unit(units.Short).
		Min(0).
		LineWidth(2).
		FillOpacity(10).
		Thresholds(steps(good)).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassic)).
		ShowPoints(common.VisibilityModeAuto).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		Legend(common.NewVizLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeTable).
			Placement(common.LegendPlacementBottom).
			ShowLegend(true).
			Calcs([]string{"lastNotNull", "max"}).
			SortBy("Last *").SortDesc(true))
}

// dashed tells a line from the others by more than its colour.
func dashed(b *timeseries.PanelBuilder, name string) *timeseries.PanelBuilder {
	return b.OverrideByName(name, []dashboard.DynamicConfigValue{
		set("custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{10, 10}}),
	})
}

// stacked piles the series up as bars: for parts of a whole.
func stacked(b *timeseries.PanelBuilder) *timeseries.PanelBuilder {
	return b.DrawStyle(common.GraphDrawStyleBars).
		FillOpacity(80).
		LineWidth(0).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
}

// newBars is a panel of horizontal bars with their names and numbers.
func newBars(a about, width uint32, queries ...*prometheus.DataqueryBuilder) *bargauge.PanelBuilder {
	return fill(bargauge.NewPanelBuilder(), a, width, 10, queries...).
		Unit(units.Short).
		Min(0).
		Orientation(common.VizOrientationHorizontal).
		DisplayMode(common.BarGaugeDisplayModeGradient).
		Text(common.NewVizTextDisplayOptionsBuilder().TitleSize(12).ValueSize(16)).
		ValueMode(common.BarGaugeValueModeText).
		NamePlacement(common.BarGaugeNamePlacementLeft).
		ShowUnfilled(false).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(steps(good))
}

// column is one column of a table.
type column struct {
	// field is what the query calls it: a label, or a value, whose name begins
	// with Value.
	field, title string
	// with are settings of this column alone.
	with []dashboard.DynamicConfigValue
}

// accountColumn shows the account and leads to its dashboard. The column with
// the ID stays in the data, unseen, for that link.
var accountColumn = column{"account", "Account", []dashboard.DynamicConfigValue{
	set("links", []any{accountLink("${__data.fields.account_id}")}),
	set("custom.width", 240),
}}

// newTable is a table with these columns in this order.
func newTable(a about, width uint32, columns []column, query *prometheus.DataqueryBuilder) *table.PanelBuilder {
	return arrange(fill(table.NewPanelBuilder(), a, width, 10, query).WithTransformation(timeless), columns)
}

// newFactsTable is a table whose rows have several values each: expr gives them
// the label fact with the names of their columns. They are in one query because
// Grafana merges the answers of several only if none of them is empty.
func newFactsTable(a about, width uint32, columns []column, expr string) *table.PanelBuilder {
	return arrange(pivot(fill(table.NewPanelBuilder(), a, width, 10, now(expr, "")), "fact"), columns)
}

// pivot makes one table of an answer, with a column for each value of label.
func pivot(b *table.PanelBuilder, label string) *table.PanelBuilder {
	return b.WithTransformation(transform("labelsToFields", map[string]any{"mode": "columns", "valueLabel": label})).
		WithTransformation(timeless).
		WithTransformation(transform("merge", map[string]any{}))
}

// arrange puts the columns in order and gives them their titles and settings.
func arrange(b *table.PanelBuilder, columns []column) *table.PanelBuilder {
	b = b.
		Unit(units.Short).
		Thresholds(steps(good)).
		Filterable(true).
		MinWidth(100).
		CellHeight(common.TableCellHeightSm)
	order, names := map[string]any{}, map[string]any{}
	for i, c := range columns {
		order[c.field], names[c.field] = i, c.title
		if !strings.HasPrefix(c.field, "Value") {
			b.OverrideByName(c.title, verbatim)
		}
		if c.with != nil {
			b.OverrideByName(c.title, c.with)
		}
	}
	return b.WithTransformation(organize(order, names)).OverrideByName("account_id", unseen)
}

// verbatim shows labels as they are: an account ID is no number, and an empty
// label is not why the panel is empty.
var verbatim = []dashboard.DynamicConfigValue{set("unit", "string"), set("noValue", "–")}

// timeless drops the time of the query, which is the same in all rows.
var timeless = transform("filterFieldsByName", map[string]any{"exclude": map[string]any{"names": []string{"Time"}}})

// organize orders and renames the columns of a table.
func organize(order, names map[string]any) dashboard.DataTransformerConfig {
	return transform("organize", map[string]any{
		"indexByName":   order,
		"renameByName":  names,
		"excludeByName": map[string]any{},
	})
}

// transform is a step between the answer of a query and the panel.
func transform(id string, options map[string]any) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: id, Options: options}
}

// unseen keeps a column in the data and off the screen: the first setting is
// that of Grafana 11, the second that of its successors.
var unseen = []dashboard.DynamicConfigValue{
	set("custom.hidden", true),
	set("custom.hideFrom", map[string]any{"viz": true, "legend": false, "tooltip": false}),
}

// ago makes a column of times in milliseconds readable; 0 stands for never.
func ago(never string) []dashboard.DynamicConfigValue {
	return append(slices.Clone(fromNow),
		set("mappings", []dashboard.ValueMapping{texts(map[string]look{"0": {never, muted}})}))
}

// fromNow makes a column of times in milliseconds readable.
var fromNow = append(wide(150), set("unit", units.DateTimeFromNow))

// wide is a column of this many pixels; the others share what is left. A least
// width would not do: Grafana gives every such column its equal share, and what
// exceeds it pushes the last one out of sight.
func wide(pixels int) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{set("custom.width", pixels)}
}

// set is one setting of a column or series.
func set(id string, value any) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: id, Value: value}
}

// look is what is shown in place of a value.
type look struct {
	text, colour string
}

// texts shows values as words or signs.
func texts(looks map[string]look) dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for value, l := range looks {
		options[value] = dashboard.ValueMappingResult{Text: &l.text, Color: &l.colour}
	}
	return dashboard.ValueMapping{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}
}

// missing shows what has no value at all.
func missing(l look) dashboard.ValueMapping {
	return dashboard.ValueMapping{SpecialValueMap: &dashboard.SpecialValueMap{
		Type: dashboard.MappingTypeSpecialValue,
		Options: dashboard.DashboardSpecialValueMapOptions{
			Match:  dashboard.SpecialValueMatchNullAndNan,
			Result: dashboard.ValueMappingResult{Text: &l.text, Color: &l.colour},
		},
	}}
}

// stateLooks are how the values of coverageState are shown: a sign for who
// cannot tell the colours.
var stateLooks = map[string]look{
	uncovered: {"✗", bad},
	unknown:   {"?", unclear},
	covered:   {"✓", good},
	exempt:    {"–", muted},
}

// steps colours values: the first colour from the lowest value on, each
// further one from its bound on.
func steps(base string, bounds ...bound) *dashboard.ThresholdsConfigBuilder {
	all := []dashboard.Threshold{{Color: base}}
	for _, b := range bounds {
		all = append(all, dashboard.Threshold{Value: &b.from, Color: b.colour})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(all)
}

// bound is where a colour begins.
type bound struct {
	from   float64
	colour string
}

// anyIsBad colours every value but 0.
var anyIsBad = bound{1, bad}

// painted gives each of the named series a colour that it has in every panel.
func painted(b *timeseries.PanelBuilder, names ...string) *timeseries.PanelBuilder {
	for i, name := range names {
		b.OverrideByName(name, paint(palette[i%len(palette)]))
	}
	return b
}

// paint is the setting of one colour.
func paint(colour string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{set("color", map[string]any{"mode": "fixed", "fixedColor": colour})}
}

// accountLink leads to the dashboard of the account with this ID, with every
// other variable and the time range carried over.
func accountLink(id string) map[string]any {
	return map[string]any{
		"title":       "All about this account",
		"url":         "/d/" + accountUID + "?var-account=" + id + "&" + carriedOver() + "&${__url_time_range}",
		"targetBlank": false,
	}
}

// columnOrder is the order of columns by their names.
func columnOrder(names ...string) map[string]any {
	order := map[string]any{}
	for i, name := range names {
		order[name] = i
	}
	return order
}

// descending sorts a table by a column, the largest first.
func descending(column string) cog.Builder[common.TableSortByFieldState] {
	return common.NewTableSortByFieldStateBuilder().DisplayName(column).Desc(true)
}

// ascending sorts a table by a column, the smallest first.
func ascending(column string) cog.Builder[common.TableSortByFieldState] {
	return common.NewTableSortByFieldStateBuilder().DisplayName(column).Desc(false)
}
