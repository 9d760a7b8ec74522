package main

import (
	"fmt"
	"slices"
	"strconv"
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

// Colors with a meaning. They and the palette are distinguishable with every
// common kind of color blindness (Okabe and Ito, Tol), and each value with a
// color also has a text.
// https://jfly.uni-koeln.de/color/
const (
	good    = "#0072B2"
	bad     = "#D55E00"
	unclear = "#F0E442"
	muted   = "#999999"
	// A yellow line is invisible on white.
	unclearLine = "#E69F00"
)

// palette are the colors of series without a meaning.
var palette = []string{
	"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
	"#332288", "#882255", "#44AA99", "#DDCC77", "#999999",
}

// about are the texts of a panel.
type about struct {
	title, description string
	// empty is the text for missing data.
	empty string
}

// promql is the selected data source.
var promql = common.DataSourceRef{Type: new(prometheusType), Uid: new("${datasource}")}

// panelBuilder are the common methods of the builders of panels.
type panelBuilder[B any] interface {
	Title(string) B
	Description(string) B
	NoValue(string) B
	Datasource(common.DataSourceRef) B
	Span(uint32) B
	Height(uint32) B
	Targets([]cog.Builder[variants.Dataquery]) B
}

// fill sets the common properties of a panel. The dashboard is 24 columns wide.
func fill[B panelBuilder[B]](b B, a about, width, height uint32, queries ...*prometheus.DataqueryBuilder) B {
	targets := make([]cog.Builder[variants.Dataquery], len(queries))
	for i, q := range queries {
		targets[i] = q.RefId(string(rune('A' + i))).Datasource(promql)
	}
	return b.Title(a.title).Description(a.description).NoValue(a.empty).
		Datasource(promql).Span(width).Height(height).Targets(targets)
}

// now is an instant query.
func now(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(expr).LegendFormat(legend).Instant()
}

// rows is an instant query with one table row per series.
func rows(expr string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(expr).LegendFormat("").Instant().Format(prometheus.PromQueryFormatTable)
}

// over is a range query.
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

// newVerdict is a stat panel with a background color by threshold. A missing value
// is gray and has a text.
func newVerdict(a about, width uint32, thresholds *dashboard.ThresholdsConfigBuilder, query *prometheus.DataqueryBuilder, words ...dashboard.ValueMapping) *stat.PanelBuilder {
	return newStat(a, width, query).
		Thresholds(thresholds).
		Mappings(append(words, missing(look{a.empty, muted}))).
		ColorMode(common.BigValueColorModeBackgroundSolid)
}

// points is the number of steps of a range query. The cost is proportional to it;
// over 24 hours, 100 are one per sweep.
const points = 100

// newSeries is a panel of lines with a legend table, so that lines can be
// identified without their color.
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

// dash and dots make lines distinguishable without their color.
var (
	dash = set("custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{10, 10}})
	dots = set("custom.lineStyle", map[string]any{"fill": "dot", "dash": []int{0, 6}})
)

// stacked shows the series as stacked bars.
func stacked(b *timeseries.PanelBuilder) *timeseries.PanelBuilder {
	return b.DrawStyle(common.GraphDrawStyleBars).
		FillOpacity(80).
		LineWidth(0).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
}

// newBars is a panel of labeled horizontal bars.
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
	// field is a label of the query, or a value whose name begins with Value.
	field, title string
	// with are overrides of this column.
	with []dashboard.DynamicConfigValue
}

// accountColumn shows the account and links to its dashboard. The link uses the
// hidden column account_id.
var accountColumn = column{"account", "Account", []dashboard.DynamicConfigValue{
	set("links", []any{accountLink("${__data.fields.account_id}")}),
	set("custom.width", 240),
}}

// newTable is a table with the columns in this order.
func newTable(a about, width uint32, columns []column, query *prometheus.DataqueryBuilder) *table.PanelBuilder {
	return arrange(fill(table.NewPanelBuilder(), a, width, 10, query).WithTransformation(timeless), columns)
}

// newPropertiesTable is a table with several values per row: the label property of
// expr is the column. It uses one query because Grafana merges the results of
// several only if none is empty.
func newPropertiesTable(a about, width uint32, columns []column, expr string) *table.PanelBuilder {
	return arrange(pivot(fill(table.NewPanelBuilder(), a, width, 10, now(expr, "")), "property"), columns)
}

// newLimitedTable is newPropertiesTable with at most limit rows, the highest values of
// the column first.
func newLimitedTable(a about, width uint32, columns []column, expr, first string, limit int) *table.PanelBuilder {
	a.description += fmt.Sprintf(" At most %d rows, the highest “%s” first.", limit, first)
	b := pivot(fill(table.NewPanelBuilder(), a, width, 10, now(expr, "")), "property").
		WithTransformation(sortedBy("Value " + first)).
		WithTransformation(transform("limit", map[string]any{"limitField": strconv.Itoa(limit)}))
	return arrange(b, columns)
}

// pivot converts a result to one table with a column for each value of label.
func pivot(b *table.PanelBuilder, label string) *table.PanelBuilder {
	return b.WithTransformation(transform("labelsToFields", map[string]any{"mode": "columns", "valueLabel": label})).
		WithTransformation(timeless).
		WithTransformation(transform("merge", map[string]any{}))
}

// arrange sets order, titles and overrides of the columns.
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
		if strings.HasPrefix(c.field, "Value") {
			b.OverrideByName(c.title, []dashboard.DynamicConfigValue{absent})
		} else {
			b.OverrideByName(c.title, verbatim)
		}
		if c.with != nil {
			b.OverrideByName(c.title, c.with)
		}
	}
	return b.WithTransformation(organize(order, names)).OverrideByName("account_id", hidden).OverrideByName("console", hidden)
}

// absent shows an empty cell as a dash instead of the text for an empty panel.
var absent = set("noValue", "–")

// verbatim shows labels as strings: an account ID is not a number.
var verbatim = []dashboard.DynamicConfigValue{set("unit", "string"), absent}

// timeless removes the time of the query, which is the same in all rows.
var timeless = transform("filterFieldsByName", map[string]any{"exclude": map[string]any{"names": []string{"Time"}}})

// sortedBy sorts the rows by a field in descending order.
func sortedBy(field string) dashboard.DataTransformerConfig {
	return transform("sortBy", map[string]any{"sort": []any{map[string]any{"field": field, "desc": true}}})
}

// organize orders and renames the columns of a table.
func organize(order, names map[string]any) dashboard.DataTransformerConfig {
	return transform("organize", map[string]any{
		"indexByName":   order,
		"renameByName":  names,
		"excludeByName": map[string]any{},
	})
}

// transform is a transformation of a query result.
func transform(id string, options map[string]any) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: id, Options: options}
}

// hidden hides a column that links use: the first setting is for Grafana 11, the
// second for later versions.
var hidden = []dashboard.DynamicConfigValue{
	set("custom.hidden", true),
	set("custom.hideFrom", map[string]any{"viz": true, "legend": false, "tooltip": false}),
}

// ago formats a column of timestamps in milliseconds; 0 is shown as never.
func ago(never string) []dashboard.DynamicConfigValue {
	return append(slices.Clone(fromNow),
		set("mappings", []dashboard.ValueMapping{texts(map[string]look{"0": {never, muted}})}))
}

// fromNow formats a column of timestamps in milliseconds.
var fromNow = append(wide(180), set("unit", units.DateTimeFromNow))

// wide sets the width of a column in pixels; the others share the rest. A minimum
// width would not work: Grafana gives each such column an equal share, and the
// excess moves the last one outside the panel.
func wide(pixels int) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{set("custom.width", pixels)}
}

// set is an override of a column or series.
func set(id string, value any) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: id, Value: value}
}

// look is the text and the color of a value.
type look struct {
	text, color string
}

// texts maps values to texts.
func texts(looks map[string]look) dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for value, l := range looks {
		options[value] = dashboard.ValueMappingResult{Text: &l.text, Color: &l.color}
	}
	return dashboard.ValueMapping{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}
}

// missing maps null to a text.
func missing(l look) dashboard.ValueMapping {
	return dashboard.ValueMapping{SpecialValueMap: &dashboard.SpecialValueMap{
		Type: dashboard.MappingTypeSpecialValue,
		Options: dashboard.DashboardSpecialValueMapOptions{
			Match:  dashboard.SpecialValueMatchNullAndNan,
			Result: dashboard.ValueMappingResult{Text: &l.text, Color: &l.color},
		},
	}}
}

// stateLooks maps the values of coverageState to signs and colors.
var stateLooks = map[string]look{
	uncovered: {"✗", bad},
	unknown:   {"?", unclear},
	covered:   {"✓", good},
	exempt:    {"–", muted},
}

// steps are thresholds: base is the color of the lowest values, each bound the
// start of another color.
func steps(base string, bounds ...bound) *dashboard.ThresholdsConfigBuilder {
	all := []dashboard.Threshold{{Color: base}}
	for _, b := range bounds {
		all = append(all, dashboard.Threshold{Value: &b.from, Color: b.color})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(all)
}

// bound is the lowest value of a color.
type bound struct {
	from  float64
	color string
}

// anyIsBad colors all values except 0.
var anyIsBad = bound{1, bad}

// painted gives named series the same color in each panel.
func painted(b *timeseries.PanelBuilder, names ...string) *timeseries.PanelBuilder {
	for i, name := range names {
		b.OverrideByRegexp(completeOrNot(name), paint(palette[i%len(palette)]))
	}
	return b
}

// paint sets a color.
func paint(color string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{set("color", map[string]any{"mode": "fixed", "fixedColor": color})}
}

// accountLink links to the dashboard of an account and keeps the other variables
// and the time range.
func accountLink(id string) map[string]any {
	return map[string]any{
		"title":       "Account dashboard",
		"url":         "/d/" + accountUID + "?var-account=" + id + "&" + carriedOver() + "&${__url_time_range}",
		"targetBlank": false,
	}
}

// columnOrder returns the order of columns by name.
func columnOrder(names ...string) map[string]any {
	order := map[string]any{}
	for i, name := range names {
		order[name] = i
	}
	return order
}

// descending sorts a table by a column in descending order.
func descending(column string) cog.Builder[common.TableSortByFieldState] {
	return common.NewTableSortByFieldStateBuilder().DisplayName(column).Desc(true)
}

// ascending sorts a table by a column in ascending order.
func ascending(column string) cog.Builder[common.TableSortByFieldState] {
	return common.NewTableSortByFieldStateBuilder().DisplayName(column).Desc(false)
}
