package bench

import (
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

var labeled = flag.Int("scale.labeled", 20, "how many members TestCallsOfLabels has")

// labelCalls are the operations that read labels of accounts.
var labelCalls = []string{"ListTagsForResource", "DescribeOrganizationalUnit"}

// TestCallsOfLabels counts the calls of half a day in virtual time, without and with
// labels of accounts: their OU and two tags (T6). Sweeps make the same calls, and the
// tags of an account cost one call in six hours.
func TestCallsOfLabels(t *testing.T) {
	const off, on = "without labels", "with labels"
	calls, series := map[string][]map[string]int{}, map[string]int{}
	for _, kind := range []string{off, on} {
		t.Run(kind, func(t *testing.T) { calls[kind], series[kind] = callsByHour(t, kind == on) })
	}
	if t.Failed() {
		return
	}
	members := *labeled + 2
	without, with := total(calls[off]), total(calls[on])
	for _, operation := range slices.Sorted(maps.Keys(with)) {
		fmt.Printf("%-28s %9d without labels, %9d with\n", operation, without[operation], with[operation])
	}
	fmt.Printf("%-28s %9d without labels, %9d with\n", "series", series[off], series[on])
	fmt.Printf("%-28s %9d at most in an hour, %d in the first, %.0f on average\n", "ListTagsForResource",
		most(calls[on], "ListTagsForResource"), calls[on][0]["ListTagsForResource"], float64(with["ListTagsForResource"])/hours)
	if sweeps := without["ListAnalyzers"] / members; sweeps != hours/3+1 || without["ListAnalyzers"]%members != 0 {
		t.Errorf("%d calls of sweeps without labels for %d accounts in %d hours", without["ListAnalyzers"], members, hours)
	}
	if without["ListAnalyzers"] != with["ListAnalyzers"] {
		t.Errorf("sweeps make %d calls with labels and %d without", with["ListAnalyzers"], without["ListAnalyzers"])
	}
	for _, operation := range labelCalls {
		if without[operation] != 0 || with[operation] == 0 {
			t.Errorf("%s: %d calls without labels and %d with", operation, without[operation], with[operation])
		}
	}
	// Each operation has its counter and its durations.
	if got := series[on] - series[off]; got < members || got > members+20*len(labelCalls) {
		t.Errorf("labels add %d series, want one an account and those of the calls", got)
	}
	if got, limit := with["ListTagsForResource"], members*(hours/6+1); got > limit {
		t.Errorf("%d calls for tags, want at most %d", got, limit)
	}
}

// hours is the duration of the count, at the end of which a sweep has just begun. There
// are few sweeps, which take most of the time of the test.
const hours = 12

// callsByHour runs the exporter and counts its calls in each hour, and its series at the
// end.
func callsByHour(t *testing.T, labels bool) (counts []map[string]int, series int) {
	chosen := "{}"
	if labels {
		chosen = "{ou: true, tags: [team, environment]}"
	}
	lab.Run(t, lab.Setup{
		Config: "{accounts: {discovery: organization, labels: " + chosen + ", refresh: 6h}, assume_role: {name: exporter}, regions: {include: [us-east-1]}, sweep: {interval: 3h}, findings: {enabled: false}}",
		World:  labeledOrganization,
	}, func(l *lab.Lab) {
		for h := range hours {
			l.Until(time.Duration(h+1)*time.Hour+time.Minute, nil)
			counts = append(counts, l.AWS.CallCounts())
			l.AWS.ResetCalls()
		}
		w := httptest.NewRecorder()
		l.Exporter.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		for line := range strings.Lines(w.Body.String()) {
			if !strings.HasPrefix(line, "#") {
				series++
			}
		}
	})
	return counts, series
}

// labeledOrganization has its members in ten organizational units.
func labeledOrganization() *simaws.World {
	const management, hub = "200000000000", "200000000001"
	w := lab.NewOrganization(management, hub, lab.Members(*labeled)...)
	w.Analyzers = []*simaws.Analyzer{lab.Analyzer(hub, "us-east-1", "ORGANIZATION")}
	for i, a := range w.Accounts[2:] {
		a.OUs = []string{"r-exam", fmt.Sprintf("ou-exam-0000000%d", i%10)}
		a.Tags = map[string]string{"team": fmt.Sprintf("team-%d", i%50), "environment": "production"}
	}
	return w
}

func total(counts []map[string]int) map[string]int {
	sum := map[string]int{}
	for _, c := range counts {
		for operation, n := range c {
			sum[operation] += n
		}
	}
	return sum
}

func most(counts []map[string]int, operation string) (n int) {
	for _, c := range counts {
		n = max(n, c[operation])
	}
	return n
}
