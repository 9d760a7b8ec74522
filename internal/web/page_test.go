package web

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

var (
	rowPattern  = regexp.MustCompile(`(?s)<tr><th scope="row"><a href="[^"]*">(?:<bdi>(.*?)</bdi> )?<small>(\d*)</small></a></th>(.*?)</tr>`)
	cellPattern = regexp.MustCompile(`(?s)<td class="(\w+)" tabindex="0"(?: data-region="[^"]*")?><p><b aria-hidden="true">(.*?)</b> (.*?)</p></td>`)
	idPattern   = regexp.MustCompile(`<small>(\d{12})</small></a></th>`)
	headPattern = regexp.MustCompile(`<th scope="col"><span>(.*?)</span></th>`)
)

// drawn is the map as a page shows it: accounts in order, and for each the
// states and the words by column.
type drawn struct {
	columns []string
	ids     []string
	states  map[string]map[string]string
	words   map[string]map[string]string
}

func draw(t *testing.T, page string) drawn {
	t.Helper()
	d := drawn{states: map[string]map[string]string{}, words: map[string]map[string]string{}}
	for _, m := range headPattern.FindAllStringSubmatch(page, -1) {
		d.columns = append(d.columns, m[1])
	}
	for _, m := range rowPattern.FindAllStringSubmatch(page, -1) {
		id := m[2]
		d.ids = append(d.ids, id)
		d.states[id], d.words[id] = map[string]string{}, map[string]string{}
		cells := cellPattern.FindAllStringSubmatch(m[3], -1)
		if len(cells) != len(d.columns) {
			t.Fatalf("account %s has %d cells for %d columns", id, len(cells), len(d.columns))
		}
		for i, c := range cells {
			d.states[id][d.columns[i]], d.words[id][d.columns[i]] = c[1], c[3]
		}
	}
	return d
}

// inBubble runs a test at a time that is always the same.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func TestMapShowsEveryStateInWords(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := draw(t, get(t, Handler(options(webtest.Organization(time.Now()))), "/"))
		if len(d.ids) != 12 || len(d.columns) != 19 || d.columns[18] != "global" {
			t.Fatalf("%d accounts × %v", len(d.ids), d.columns)
		}
		for _, test := range []struct{ account, region, state, words string }{
			{webtest.ID(0), "eu-west-1", "covered", "Covered. ORGANIZATION analyzer organization-external-access in 210000000002, Region eu-west-1, is ACTIVE."},
			{webtest.ID(0), "global", "covered", "Covered. ORGANIZATION_UNUSED_ACCESS analyzer organization-unused-access in 210000000002, Region us-east-1, is ACTIVE."},
			{webtest.ID(0), "sa-east-1", "uncovered", "Uncovered. There is no external access analyzer that the policy accepts."},
			{webtest.ID(0), "ap-northeast-3", "uncovered", "Uncovered. ORGANIZATION analyzer organization-external-access in 210000000002, Region ap-northeast-3, is DISABLED: AWS_SERVICE_ACCESS_DISABLED."},
			{webtest.ID(7), "global", "uncovered", "Uncovered. ORGANIZATION_UNUSED_ACCESS analyzer organization-unused-access in 210000000002, Region us-east-1, is ACTIVE but leaves this account out."},
			{webtest.ID(0), "ap-south-1", "unknown", "Unknown. An organization analyzer in an account that could not be read may cover it. ListAnalyzers in security (210000000002), ap-south-1: scp_denied, a service control policy (SCP) denies the request."},
			{webtest.ID(1), "ap-south-1", "unknown", "Unknown. ListAnalyzers in security (210000000002), ap-south-1: scp_denied, a service control policy (SCP) denies the request."},
			{webtest.ID(11), "sa-east-1", "unknown", "Unknown. AssumeRole in warehouse-legacy (210000000012): assume_role_denied, the role in the account could not be assumed."},
			{webtest.ID(11), "eu-west-1", "covered", "is ACTIVE. The last attempt to read it failed."},
			{webtest.ID(10), "eu-west-1", "exempt", "Exempt. Emptied every night (until 2000-03-01)."},
			{webtest.ID(0), "eu-south-1", "not_enabled", "Not enabled. The Region is not enabled for the account."},
			{webtest.ID(5), "eu-south-1", "uncovered", "Uncovered. There is no external access analyzer"},
		} {
			if got := d.states[test.account][test.region]; got != test.state {
				t.Errorf("%s %s is shown as %s, want %s", test.account, test.region, got, test.state)
			}
			if got := d.words[test.account][test.region]; !strings.Contains(got, test.words) {
				t.Errorf("%s %s says\n %s, want\n %s", test.account, test.region, got, test.words)
			}
		}
		if first, last := d.ids[0], d.ids[11]; first != webtest.ID(7) || last != webtest.ID(10) {
			t.Errorf("from %s to %s: the worst is not first", first, last)
		}
	})
}

func TestPageListsProblems(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := options(webtest.Organization(time.Now()))
		o.Progress = func() []sweep.Progress {
			return []sweep.Progress{
				{Kind: inventory.CoverageSweep, Running: true, StartedAt: time.Now().Add(-3 * time.Second), Done: 1200, Failed: 17, Total: 2000},
				{Kind: inventory.FindingsSweep},
			}
		}
		page := get(t, Handler(o), "/")
		wantAll(t, page,
			"<title>22 uncovered, 13 unknown – IAM Access Analyzer coverage</title>",
			`As of <time datetime="1999-12-31T23:58:25Z">1999-12-31 23:58:25 UTC</time>, 95 s ago · access-analyzer-exporter 1.2.3</p>`,
			`<a href="`+report.Homepage+`#readme">Documentation</a><a href="`+report.Runbooks+`">Runbooks</a><a href="api/v1/coverage">JSON</a><a href="./metrics">Metrics</a>`,
			`<li class="none"><span class="mark unknown"></span>0 unknown</li>`,
			`<b>88.0%</b> external access <span class="of">of 175 known targets (account × Region)</span>`,
			`<b>90.9%</b> unused access <span class="of">of 11 known targets (account)</span>`,
			`<a href="?access=external&amp;state=uncovered#map">21 uncovered</a>`, `>13 unknown</a>`, `>154 covered</a>`, `>17 exempt</a>`,
			"1,200 of 2,000 targets, 60%, 17 failed; 400/s, about 2.0 s left",
			"<dt>Findings sweep</dt>\n<dd>completed 17 min ago, took 11 s</dd>",
			"27 targets could not be read in full in the last sweep.",
		)
		order := []string{
			"No external access analyzer found in sa-east-1", "--type ORGANIZATION ", "Run in security (210000000002).",
			"ap-northeast-3, is DISABLED: AWS_SERVICE_ACCESS_DISABLED", "enable-aws-service-access ", "Run in the management account.",
			"payments-prod (210000000006) has no external access analyzer in eu-south-1", "--type ACCOUNT ", "Run in payments-prod (210000000006).",
			"is ACTIVE but excludes 1 account", "--type ACCOUNT_UNUSED_ACCESS ",
			"ListAnalyzers: scp_denied, a service control policy (SCP) denies the request", "11 unknown", "ap-south-1; it failed in security (210000000002)",
			"AssumeRole: assume_role_denied, the role in the account could not be assumed", "2 unknown", "iam-policy",
			"ListFindingsV2: throttled, AWS throttled the request, and all attempts failed", "Coverage is still known",
			"<h2 id=\"findings\">Findings</h2>",
		}
		text := regexp.MustCompile(`</?(code|span)[^>]*>`).ReplaceAllString(page[strings.Index(page, `<h2 id="attention">`):], "")
		for _, want := range order {
			_, after, found := strings.Cut(text, want)
			if !found {
				t.Fatalf("missing or out of order: %s", want)
			}
			text = after
		}
	})
}

func TestPageCountsFindings(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		page := get(t, Handler(options(webtest.Organization(time.Now()))), "/")
		wantAll(t, page,
			`<th scope="rowgroup" colspan="5">Zone of trust: organization</th>`,
			// Roles: the most that a Region has, 3. Buckets: 13, all public.
			`<th scope="row"><a href="#owners">ExternalAccess</a></th><td>16</td><td><a href="#owners">13</a></td><td>24</td><td><time datetime="1998-10-01T00:00:00Z">1998-10-01</time></td>`,
			`<th scope="row">UnusedIAMUserPassword</th><td>0</td><td>–</td><td>0</td><td>–</td>`,
			"Lower bounds: without 2 analyzers that could not be counted. Oldest count: 17 min ago.",
			// The account that owns the 13 public buckets.
			`<th scope="row"><a href="?account=210000000009#map">web-prod</a></th><td>13</td><td>13</td><td>0</td><td>0</td>`,
		)
	})
}

func TestPageBeforeTheFirstSweep(t *testing.T) {
	noCredentials := inventory.Failure{Region: inventory.Global, Operation: "GetCallerIdentity", Reason: inventory.Credentials, Message: webtest.Secret}
	running := []sweep.Progress{{Kind: inventory.CoverageSweep, Running: true, StartedAt: time.Now()}}
	account := &inventory.Account{ID: webtest.ID(0), Name: "management", Queried: true, RegionsKnown: true, Regions: webtest.Regions}
	for _, test := range []struct {
		name     string
		snap     *inventory.Snapshot
		progress []sweep.Progress
		wants    []string
	}{
		{"listing", nil, nil, []string{"No data yet. Accounts and Regions are being listed; the first sweep follows."}},
		{"sweeping", nil, running, []string{"No data yet. The first sweep is in progress: started; listing what to read. This page reloads every 5 seconds until it is complete.", "started; listing what to read"}},
		{
			"no credentials",
			&inventory.Snapshot{Failures: []inventory.Failure{noCredentials}},
			nil,
			[]string{
				"No data. Accounts and Regions could not be listed; see the reason below.",
				"GetCallerIdentity: credentials, the exporter&#39;s credentials are missing, invalid or expired",
				"Configure valid credentials.", "<span>aws </span><span>sts </span><span>get-caller-identity</span>",
				"No accounts.",
			},
		},
		{
			"first sweep",
			&inventory.Snapshot{DiscoverySuccess: true, Accounts: []*inventory.Account{account}},
			running,
			[]string{
				"The first sweep is in progress. Targets that it has not read yet are missing or unknown.",
				"Coverage is determined by the first sweep, which is in progress. 1 account listed.",
			},
		},
		{
			"nothing required",
			&inventory.Snapshot{Ready: true, DiscoverySuccess: true, Accounts: []*inventory.Account{account}},
			nil,
			[]string{"No coverage is required: the policy requires no access type.", "<p>No problems.</p>"},
		},
		{
			"every Region excluded",
			&inventory.Snapshot{Ready: true, DiscoverySuccess: true, Accounts: []*inventory.Account{account}, NoTargets: "regions.include"},
			nil,
			[]string{
				"No target is in scope, so nothing is monitored; see the reason below.",
				"No target is in scope: regions.include excludes every Region that is known to be enabled",
				"Nothing is monitored. Correct or remove regions.include.",
			},
		},
		{
			"every account excluded",
			&inventory.Snapshot{Ready: true, DiscoverySuccess: true, NoTargets: "accounts.exclude"},
			nil,
			[]string{"No target is in scope: accounts.exclude excludes every account"},
		},
		{
			"discovery lost",
			&inventory.Snapshot{Ready: true, Accounts: []*inventory.Account{account}, Failures: []inventory.Failure{
				{AccountID: webtest.ID(0), Region: inventory.Global, Operation: "ListAccounts", Reason: inventory.AccessDenied},
			}},
			nil,
			[]string{
				"Accounts or Regions could not be listed in the last attempt. New ones may be missing;",
				"Accounts, Regions or administrators may be missing, and with them targets. Grant the permissions that the configuration needs.",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(test.snap)
			o.Progress = func() []sweep.Progress { return test.progress }
			page := get(t, Handler(o), "/?region=eu-west-1&state=unknown")
			wantAll(t, page, test.wants...)
			if strings.Contains(page, webtest.Secret) {
				t.Error("the page shows what AWS said")
			}
		})
	}
}

// An account of which not even the Regions are known is not "not enabled".
func TestRegionsThatCouldNotBeListed(t *testing.T) {
	snap := webtest.Organization(time.Now())
	lost := &inventory.Account{ID: "219999999999", Name: "lost", Queried: true, Failure: &inventory.Failure{}}
	snap.Accounts = append(snap.Accounts, lost)
	h := Handler(options(snap))
	d := draw(t, get(t, h, "/?account=lost"))
	if got := d.states[lost.ID]["eu-west-1"]; got != "not_listed" {
		t.Errorf("shown as %s", got)
	}
	wantAll(t, d.words[lost.ID]["eu-west-1"], "The Regions of the account could not be listed, so it is not known")
	if d := draw(t, get(t, h, "/?state=not_enabled&account=lost")); len(d.ids) > 0 {
		t.Error("found as not enabled")
	}
}

// Where two kinds of access are judged in one Region the cell has the worse of
// them and lists both.
func TestCellWithTwoAccesses(t *testing.T) {
	snap := webtest.Organization(time.Now())
	for _, a := range snap.Accounts {
		snap.Verdicts = append(snap.Verdicts, inventory.Verdict{AccountID: a.ID, Region: "eu-west-1", Access: inventory.Internal, State: inventory.Uncovered})
	}
	// As a sweep leaves them: by account, then access, then Region.
	var sorted []inventory.Verdict
	for _, a := range snap.Accounts {
		for _, access := range inventory.Accesses {
			for _, d := range snap.Verdicts {
				if d.AccountID == a.ID && d.Access == access {
					sorted = append(sorted, d)
				}
			}
		}
	}
	snap.Verdicts = sorted
	h := Handler(options(snap))
	d := draw(t, get(t, h, "/"))
	if got := d.states[webtest.ID(0)]["eu-west-1"]; got != "uncovered" {
		t.Errorf("shown as %s", got)
	}
	wantAll(t, d.words[webtest.ID(0)]["eu-west-1"], "External access: covered.", "Internal access: uncovered.")
	if got := d.states[webtest.ID(0)]["eu-south-1"]; got != "not_enabled" {
		t.Errorf("a Region that the account does not have is shown as %s", got)
	}
	only := draw(t, get(t, h, "/?access=external"))
	if got := only.states[webtest.ID(0)]["eu-west-1"]; got != "covered" || len(only.columns) != 18 {
		t.Errorf("with access=external alone: %s in %d columns", got, len(only.columns))
	}
	if got := draw(t, get(t, h, "/?access=internal")).columns; len(got) != 1 || got[0] != "eu-west-1" {
		t.Errorf("with access=internal alone: columns %v", got)
	}
	wantAll(t, get(t, h, "/"), "No internal access analyzer found in eu-west-1", "AWS charges for each resource")
}

func TestMapIsPagedWorstFirst(t *testing.T) {
	h := Handler(options(webtest.Large(time.Now(), 5000)))
	page := get(t, h, "/")
	d := draw(t, page)
	if len(d.ids) != defaultPageSize || len(page) > 400<<10 {
		t.Errorf("%d accounts in %d bytes", len(d.ids), len(page))
	}
	for _, id := range d.ids {
		if d.states[id]["eu-west-1"] != "uncovered" {
			t.Errorf("%s is on the first page and not uncovered", id)
		}
	}
	wantAll(t, page, "Accounts 1–50 of 5,000, worst first", `<a href="?page=2#map" rel="next">Next</a> <a href="?page=100#map">Last</a>`)
	if strings.Contains(page, `rel="prev"`) {
		t.Error("the first page has one before it")
	}
	page = get(t, h, "/?page=4&page_size=100&account=account")
	if got := draw(t, page); got.states[got.ids[0]]["eu-west-1"] != "covered" {
		t.Error("125 uncovered and 125 unknown accounts fill more than three pages of a hundred")
	}
	wantAll(t, page, "Accounts 301–400 of 5,000", `<a href="?account=account&amp;page=3&amp;page_size=100#map" rel="prev">Previous</a>`)
	seen := map[string]bool{}
	for n := 1; n <= 10; n++ {
		for _, m := range idPattern.FindAllStringSubmatch(get(t, h, "/"+filter{size: 500}.query(n)), -1) {
			seen[m[1]] = true
		}
	}
	if len(seen) != 5000 {
		t.Errorf("all pages together show %d accounts", len(seen))
	}
	w := do(h, "GET", "/?page=101")
	if w.Code != 404 || w.Body.String() != "There is no page 101: with this filter the last one is 100.\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPageFilters(t *testing.T) {
	h := Handler(options(webtest.Organization(time.Now())))
	for _, test := range []struct {
		query             string
		accounts, columns int
		first             string
	}{
		{"", 12, 19, webtest.ID(7)},
		{"?account=payments", 2, 19, webtest.ID(5)},
		{"?account=PAYMENTS-PROD", 1, 19, webtest.ID(5)},
		{"?account=" + webtest.ID(3), 1, 19, webtest.ID(3)},
		{"?account=payments-prod&account=sandbox", 2, 19, webtest.ID(5)},
		{"?account=payments-prod,sandbox", 2, 19, webtest.ID(5)},
		{"?account=unlisted", 0, 0, ""},
		{"?region=sa-east-1", 12, 1, webtest.ID(7)},
		{"?region=sa-east-1,eu-south-1", 12, 2, webtest.ID(5)},
		{"?state=exempt", 1, 19, webtest.ID(10)},
		{"?state=unknown&region=sa-east-1", 1, 1, webtest.ID(11)},
		{"?state=unknown&state=exempt&region=sa-east-1", 2, 1, webtest.ID(11)},
		{"?state=not_enabled", 11, 19, webtest.ID(7)},
		{"?access=unused", 12, 1, webtest.ID(7)},
		{"?access=unused&state=uncovered", 1, 1, webtest.ID(7)},
		{"?access=external&region=global", 0, 0, ""},
		{"?account=&region=&state=&access=", 12, 19, webtest.ID(7)},
	} {
		t.Run(test.query, func(t *testing.T) {
			page := get(t, h, "/"+test.query)
			d := draw(t, page)
			if len(d.ids) != test.accounts || len(d.columns) != test.columns {
				t.Fatalf("%d accounts × %d columns, want %d × %d", len(d.ids), len(d.columns), test.accounts, test.columns)
			}
			if test.accounts == 0 {
				wantAll(t, page, "No account matches.")
			} else if d.ids[0] != test.first {
				t.Errorf("the first is %s, want %s", d.ids[0], test.first)
			}
		})
	}
	wantAll(t, get(t, h, "/?account=%22%3E&state=unknown&region=eu-west-1&page_size=7"),
		`value="&#34;&gt;"`, `<option value="unknown" selected>`, `<option value="eu-west-1" selected>`, `name="page_size" value="7"`, "Show all")
}

// The policy names the digest of the style sheet; the page must contain that
// style sheet to the byte, and nothing that the policy would block.
func TestPageKeepsItsOwnPolicy(t *testing.T) {
	for name, snap := range fixtures() {
		t.Run(name, func(t *testing.T) {
			w := do(Handler(options(snap)), "GET", "/")
			page := w.Body.String()
			style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)
			if style == nil {
				t.Fatal("no style sheet")
			}
			want := "default-src 'none'; style-src 'sha256-" + digest(style[1]) + "'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
			if got := w.Header().Get("Content-Security-Policy"); got != want {
				t.Errorf("the policy is\n%s, for this page it must be\n%s", got, want)
			}
			for _, forbidden := range []string{"<script", ` style="`, "<iframe", "<img", "<link rel=\"style", "http://", "https://"} {
				if strings.Contains(strings.ReplaceAll(page, `<a href="https://`, ""), forbidden) {
					t.Errorf("the page contains %s", forbidden)
				}
			}
			if n := strings.Count(page, "<style"); n != 1 {
				t.Errorf("%d style sheets", n)
			}
		})
	}
}

func fixtures() map[string]*inventory.Snapshot {
	now := time.Now()
	return map[string]*inventory.Snapshot{
		"before":       nil,
		"empty":        {},
		"no targets":   {Ready: true, DiscoverySuccess: true, NoTargets: "regions.include"},
		"organization": webtest.Organization(now),
		"hostile":      webtest.Hostile(now),
		"large":        webtest.Large(now, 60),
	}
}

func TestNothingIsShownThatMetricsDoNotShow(t *testing.T) {
	for name, snap := range fixtures() {
		for _, path := range []string{"/", "/api/v1/coverage"} {
			body := do(Handler(options(snap)), "GET", path).Body.String()
			for _, secret := range []string{webtest.Secret, "arn:aws"} {
				if i := strings.Index(body, secret); i >= 0 {
					t.Errorf("%s of %s shows …%s…", path, name, body[max(0, i-60):i+60])
				}
			}
		}
	}
}

func TestHostileNamesAreText(t *testing.T) {
	page := get(t, Handler(options(webtest.Hostile(time.Now()))), "/")
	wantAll(t, page,
		"&lt;script&gt;document.title=&#34;owned&#34;&lt;/script&gt;",
		"&lt;/style&gt;&lt;style&gt;body{display:none}&lt;/style&gt;",
		"covered \ufffdderevocnu\ufffd", "line break\ufffd\ufffd[31m", "{{.Secret}}",
	)
	for _, forbidden := range []string{webtest.Script, "<img", "\u202e", "\x1b", "\x00", `href="javascript:`} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page contains %q", forbidden)
		}
	}
	if long := strings.Repeat("very long ", 40); strings.Contains(page, long) {
		t.Error("a name of 400 characters is shown whole")
	}
}

// The page groups accounts by each label, with links that filter the map.
func TestLabelsOnThePage(t *testing.T) {
	h := Handler(options(webtest.Organization(time.Now())))
	wantAll(t, get(t, h, "/"),
		"<summary>By organizational unit</summary>", "<summary>By team</summary>",
		`<tr><th scope="row"><a href="?label=label_team%3Dshop#map">shop</a></th><td>4</td><td>88.2%</td><td>8</td><td>4</td>`,
		`<a href="?label=label_team%3D#map">none</a>`, `<th scope="row">not known</th><td>1</td>`,
		`<a href="?label=ou_path%3Do-exampleorg1%2Fr-exam%2Fou-exam-workload%2F#map">Workloads</a>`,
		`<input type="search" name="label" value="" placeholder="label_team=shop"`,
	)
	wantAll(t, get(t, h, "/?label=label_team%3Dshop&label=ou_name%3DWorkloads"),
		"Accounts 1–4 of 4, worst first; 8 hidden by the filter", `name="label" value="label_team=shop"`, `<input type="hidden" name="label" value="ou_name=Workloads">`,
	)
	snap := webtest.Organization(time.Now())
	snap.Targets[0].Unlisted = true
	wantAll(t, get(t, Handler(options(snap)), "/"), `<p class="note">Findings are lower bounds: without `)
	snap.Findings, snap.FindingStatuses = nil, nil
	wantAll(t, get(t, Handler(options(snap)), "/"), `<td>88.2%</td><td>8</td><td>4</td><td>–</td><td>–</td></tr>`)
	snap = webtest.Organization(time.Now())
	snap.Labels = inventory.LabelKeys{}
	for _, a := range snap.Accounts {
		a.Labels = nil
	}
	if page := get(t, Handler(options(snap)), "/"); strings.Contains(page, "Labels of accounts") || strings.Contains(page, `name="label"`) {
		t.Error("the page has labels, and none are configured")
	}
}

// Tags are text that others choose.
func TestHostileLabelsOnThePage(t *testing.T) {
	snap := webtest.Organization(time.Now())
	for i, value := range []string{`"><script>alert(1)</script>`, "two\nlines", "a,b=c", "\xff{{.}}", strings.Repeat("é", 256)} {
		snap.Accounts[i].Labels.Values = []string{value}
	}
	page := get(t, Handler(options(snap)), "/")
	if strings.Contains(page, "<script") || !strings.Contains(page, "&lt;script&gt;alert(1)&lt;/script&gt;</a>") {
		t.Error("markup is not escaped")
	}
	wantAll(t, page, `<a href="?label=label_team%3Da%2Cb%3Dc#map">a,b=c</a>`)
	if strings.Contains(page, "two%0Alines") {
		t.Error("a link that the server rejects")
	}
}

// The cells of gaps lead to the notice with the cause and the command.
func TestCellsLinkToTheirCause(t *testing.T) {
	for name, snap := range fixtures() {
		page := get(t, Handler(options(snap)), "/")
		ids := map[string]bool{}
		for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if ids[m[1]] {
				t.Errorf("%s: two elements with ID %s", name, m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if !ids[m[1]] {
				t.Errorf("%s: a link to #%s, which is not on the page", name, m[1])
			}
		}
	}
	page := get(t, Handler(options(webtest.Organization(time.Now()))), "/")
	d := draw(t, page)
	link := regexp.MustCompile(`<a href="#(cause-\d+)">Cause and fix</a>`)
	for _, test := range []struct{ account, region, headline string }{
		{webtest.ID(0), "sa-east-1", "No external access analyzer found in sa-east-1"},
		{webtest.ID(0), "ap-northeast-3", "is DISABLED: AWS_SERVICE_ACCESS_DISABLED"},
		{webtest.ID(5), "eu-south-1", "payments-prod (210000000006) has no external access analyzer in eu-south-1"},
		{webtest.ID(0), "ap-south-1", "ListAnalyzers: scp_denied"},
		{webtest.ID(7), "global", "is ACTIVE but excludes 1 account"},
		{webtest.ID(0), "eu-west-1", ""},
		{webtest.ID(10), "eu-west-1", ""},
	} {
		found := link.FindStringSubmatch(d.words[test.account][test.region])
		if (found != nil) != (test.headline != "") {
			t.Errorf("%s, %s: %s", test.account, test.region, d.words[test.account][test.region])
			continue
		}
		if found == nil {
			continue
		}
		before, _, _ := strings.Cut(page, `id="`+found[1]+`"`)
		if headline := before[strings.LastIndex(before, `<span class="headline">`):]; !strings.Contains(headline, test.headline) {
			t.Errorf("%s, %s leads to %s", test.account, test.region, headline)
		}
	}
}

func TestPageReloadsDuringTheFirstSweep(t *testing.T) {
	first := webtest.Organization(time.Now())
	first.Ready = false
	for name, test := range map[string]struct {
		snap *inventory.Snapshot
		path string
		want string
	}{
		"nothing published":     {nil, "/", "5"},
		"first sweep":           {first, "/", "5"},
		"first sweep, filtered": {first, "/?state=unknown", "5"},
		"ready":                 {webtest.Organization(time.Now()), "/", ""},
		"JSON":                  {first, "/api/v1/coverage", ""},
	} {
		o := options(test.snap)
		o.Progress = func() []sweep.Progress {
			return []sweep.Progress{{Kind: inventory.CoverageSweep, Running: true, Done: 30, Total: 200}}
		}
		w := do(Handler(o), "GET", test.path)
		if got := w.Header().Get("Refresh"); got != test.want {
			t.Errorf("%s: Refresh %q, want %q", name, got, test.want)
		}
		if said := strings.Contains(w.Body.String(), "The first sweep is in progress: 30 of 200 targets, 15%"); said != (test.want != "") {
			t.Errorf("%s: progress said: %t", name, said)
		}
	}
}

func TestDemoIsSaidToBeSimulated(t *testing.T) {
	o := options(webtest.Organization(time.Now()))
	const said = "accounts and findings are simulated"
	if strings.Contains(get(t, Handler(o), "/"), said) {
		t.Error("said of an organization that is real")
	}
	o.Simulated = true
	wantAll(t, get(t, Handler(o), "/"), said, `<span class="badge">simulated</span>`)
}

// A template that fails while it is executed cuts the page off in the middle.
func TestPageIsComplete(t *testing.T) {
	now := time.Now()
	for name, snap := range map[string]*inventory.Snapshot{
		"organization": webtest.Organization(now), "hostile": webtest.Hostile(now), "large": webtest.Large(now, 300),
	} {
		var b strings.Builder
		if err := WritePage(&b, snap, remedy.Setting{}, console.Links{}, "1.2.3"); err != nil || !strings.HasSuffix(strings.TrimSpace(b.String()), "</html>") {
			t.Errorf("%s: %v, the page ends with %q", name, err, b.String()[max(0, b.Len()-100):])
		}
	}
}

// Numbers of findings in policies that may be too small are shown as lower bounds.
func TestPoliciesOnPage(t *testing.T) {
	var b strings.Builder
	if err := WritePage(&b, webtest.Organization(time.Now()), remedy.Setting{}, console.Links{}, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<tr><th scope="row">Customer managed policies</th><td>16</td><td>≥ 1</td><td>≥ 2</td><td>≥ 3</td><td>≥ 1,404</td></tr>`,
		`<tr><th scope="row">Trust policies of roles</th><td>9</td><td>–</td><td>–</td><td>–</td><td>–</td></tr>`,
		`<tr><th scope="row">Service control policies</th><td>2</td><td>0</td><td>0</td><td>0</td><td>1</td></tr>`,
		`≥ is a lower bound, – is unknown: 1 account is not read yet, 1 account could not be read, 9 policies could not be validated.`,
		`<tr><th scope="row">no-new-users</th><td>2</td><td>12</td><td>1</td></tr>`,
		`access-analyzer-reference-policy-checks.html#invalid_action" rel="noreferrer">INVALID_ACTION</a> <small>ERROR</small>`,
		`3 more policies have either`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
