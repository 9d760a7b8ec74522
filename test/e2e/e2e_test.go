package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// The binary is built by go build. The import makes it an input of Go's test
	// cache.
	_ "github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// faster divides every duration in the rules and in the configuration of
// Prometheus: an hour is then half a minute. Alertmanager has a smaller factor,
// because its group_wait must be longer than one evaluation of the rules, which
// is not accelerated.
const (
	faster             = 120
	fasterAlertmanager = 20
	// Evaluating and sending 10,000 alerts takes longer.
	fasterFlood = 20
)

const (
	admin     = "100000000001"
	lone      = "100000000005"
	region    = "eu-west-3" // has no organization analyzer
	blackout  = "sa-east-1"
	quietTime = 10 * time.Second
)

func id(i int) string { return strconv.Itoa(100000000000 + i) }

// world has organization analyzers in all Regions but one, where every account
// has an account analyzer.
func world(accounts int) *simaws.World {
	w := &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: id(0), TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {admin}},
		},
		Caller: simaws.Caller{AccountID: admin},
	}
	now := time.Now()
	analyzer := func(account, region, name, kind string) {
		w.Analyzers = append(w.Analyzers, &simaws.Analyzer{
			AccountID: account, Region: region, Name: name, Type: kind, Status: "ACTIVE",
			CreatedAt: now.AddDate(0, -1, 0), LastResourceAnalyzedAt: now.Add(-time.Hour),
		})
	}
	for i := range accounts {
		w.Accounts = append(w.Accounts, &simaws.Account{
			ID: id(i), Name: "account-" + strconv.Itoa(i), Regions: simaws.Regions(),
			Roles: []*simaws.Role{{Name: "exporter", Trusts: []string{admin}}},
		})
		analyzer(id(i), region, "account", "ACCOUNT")
	}
	for _, r := range simaws.DefaultRegions {
		if r != region {
			analyzer(admin, r, "organization", "ORGANIZATION")
		}
	}
	return w
}

func setStatus(server *simaws.Server, status string, which func(*simaws.Analyzer) bool) {
	server.Update(func(w *simaws.World) {
		for _, a := range w.Analyzers {
			if which(a) {
				a.Status = status
			}
		}
	})
}

// notification is what Alertmanager sends to a webhook.
type notification struct {
	at       time.Time
	receiver string
	Status   string
	Alerts   []alert
}

type alert struct {
	Status              string
	Labels, Annotations map[string]string
}

func (n notification) String() string {
	var alerts []string
	for _, a := range n.Alerts {
		alerts = append(alerts, a.Status+" "+a.Labels["alertname"]+" "+a.Labels["account_id"]+" "+a.Labels["region"])
	}
	slices.Sort(alerts)
	return n.receiver + ": " + strings.Join(slices.Compact(alerts), ", ")
}

// pager receives the notifications of Alertmanager.
type pager struct {
	mu  sync.Mutex
	all []notification
}

func (p *pager) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	n := notification{at: time.Now(), receiver: strings.TrimPrefix(r.URL.Path, "/")}
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, n)
}

// since returns the notifications of a receiver since a time.
func (p *pager) since(t time.Time, receiver string) []notification {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []notification
	for _, n := range p.all {
		if n.receiver == receiver && !n.at.Before(t) {
			out = append(out, n)
		}
	}
	return out
}

// await returns the first notification of a receiver since a time that has a
// matching alert.
func (p *pager) await(t *testing.T, since time.Time, receiver, status, alertname string) notification {
	t.Helper()
	isIt := func(n notification) bool {
		return slices.ContainsFunc(n.Alerts, func(a alert) bool { return a.Status == status && a.Labels["alertname"] == alertname })
	}
	var first notification
	arrived := func() bool {
		sent := p.since(since, receiver)
		i := slices.IndexFunc(sent, isIt)
		if i >= 0 {
			first = sent[i]
		}
		return i >= 0
	}
	if !tool.Await(t, arrived) {
		t.Fatalf("no %s %s for %s; notifications since: %v %v", status, alertname, receiver, p.since(since, "page"), p.since(since, "ticket"))
	}
	return first
}

// expectNone waits for d and fails the test if the receivers have notifications
// since a time.
func (p *pager) expectNone(t *testing.T, what string, since time.Time, d time.Duration, receivers ...string) {
	t.Helper()
	time.Sleep(d)
	for _, r := range receivers {
		if sent := p.since(since, r); len(sent) > 0 {
			t.Errorf("%s: %v", what, sent)
		}
	}
}

// program is one of the programs of the pipeline.
type program struct {
	cmd *exec.Cmd
	log bytes.Buffer
}

func run(t *testing.T, env []string, name string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(name, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			lines := strings.Split(p.log.String(), "\n")
			t.Logf("%s:\n%s", filepath.Base(name), strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
	})
	return p
}

// stop ends the program as systemd and Kubernetes do.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", filepath.Base(p.cmd.Path), err, p.log.String())
	}
}

func awaitOK(t *testing.T, url string) {
	t.Helper()
	ok := func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	if !tool.Await(t, ok) {
		t.Fatalf("%s does not answer", url)
	}
}

var (
	duration = regexp.MustCompile(`\b(\d+)(s|m|h|d)\b`)
	units    = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	// prose matches lines whose durations are text: annotations and comments.
	prose = regexp.MustCompile(`^\s*(#|summary:|description:)`)
)

// milliseconds formats a duration for Prometheus, which does not parse 2.5s.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

// accelerate copies a file, divides every duration by factor, and replaces
// pairs of strings, such as addresses.
func accelerate(t *testing.T, factor time.Duration, from, to string, replace ...string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if prose.MatchString(line) {
			continue
		}
		lines[i] = duration.ReplaceAllStringFunc(line, func(s string) string {
			m := duration.FindStringSubmatch(s)
			n, _ := strconv.Atoi(m[1])
			return milliseconds(time.Duration(n) * units[m[2]] / factor)
		})
	}
	text := strings.Join(lines, "\n")
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("%s does not have %q", from, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const absent = `absent(up{job=~".*access-analyzer-exporter.*"})
        for: `

// chain has the running programs.
type chain struct {
	aws      *simaws.Server
	pager    *pager
	exporter func() *program
	running  *program
}

func start(t *testing.T, w *simaws.World, faster time.Duration, settings string) *chain {
	t.Helper()
	if testing.Short() {
		t.Skip("takes minutes of real time: make e2e")
	}
	prometheus, alertmanager := tool.Path(t, "prometheus"), tool.Path(t, "alertmanager")
	dir := t.TempDir()
	binary := filepath.Join(dir, "access-analyzer-exporter")
	if out, err := exec.Command("go", "build", "-o", binary, "../..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	c := &chain{aws: simaws.New(w, simaws.Options{CallLog: -1}), pager: &pager{}}
	if err := c.aws.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.aws.Close() })
	webhook := httptest.NewServer(c.pager)
	t.Cleanup(webhook.Close)

	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("stale_after: %dms\n", (time.Hour/faster).Milliseconds()) +
		"sweep: {interval: 5s, timeout: 5s}\nfindings: {interval: 5s}\n" + settings
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	exporterAt, prometheusAt, alertmanagerAt := tool.FreeAddress(t), tool.FreeAddress(t), tool.FreeAddress(t)
	c.exporter = func() *program {
		return run(t, c.aws.Environ(), binary, "--config.file="+config, "--web.listen-address="+exporterAt)
	}
	accelerate(t, faster, "../../deploy/prometheus/rules.yaml", filepath.Join(dir, "rules.yaml"),
		"time() - 900", fmt.Sprintf("time() - %g", (15*time.Minute/faster).Seconds()),
		"time() - 3600)", fmt.Sprintf("time() - %g)", (time.Hour/faster).Seconds()),
		"time() % 60", fmt.Sprintf("time() %% %g", (time.Minute/faster).Seconds()),
		// At its start, Prometheus may take five seconds to discover its targets.
		absent+milliseconds(10*time.Minute/faster), absent+"1m")
	accelerate(t, faster, "../../deploy/prometheus/prometheus.yml", filepath.Join(dir, "prometheus.yml"), "localhost:10289", exporterAt, "localhost:9093", alertmanagerAt)
	accelerate(t, fasterAlertmanager, "../../deploy/alertmanager/alertmanager.yml", filepath.Join(dir, "alertmanager.yml"), "http://localhost:9095", webhook.URL)
	c.running = c.exporter()
	awaitOK(t, "http://"+exporterAt+"/-/ready")
	run(t, nil, alertmanager, "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "alertmanager"),
		"--web.listen-address="+alertmanagerAt, "--cluster.listen-address=")
	run(t, nil, prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "prometheus"),
		"--web.listen-address="+prometheusAt, "--rules.alert.resend-delay="+milliseconds(5*time.Minute/faster),
		"--query.lookback-delta="+milliseconds(5*time.Minute/faster))
	awaitOK(t, "http://"+prometheusAt+"/-/ready")
	awaitOK(t, "http://"+alertmanagerAt+"/-/ready")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("series of alerts: %s", get("http://"+prometheusAt+"/api/v1/query?query="+url.QueryEscape("count by (alertname, alertstate) (ALERTS)")))
		}
	})
	return c
}

func get(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// TestPaging runs through an uncovered account, a restart, an AWS outage and an
// uncovered organization. Each step begins with full coverage and no alerts.
func TestPaging(t *testing.T) {
	c := start(t, world(20), faster, "accounts: {discovery: organization}\nassume_role: {name: exporter}\n")
	began := time.Now()
	// The longest range in the rules, an hour, takes half a minute.
	c.pager.expectNone(t, "notified with full coverage", began, 35*time.Second, "page", "ticket")

	mine := func(a *simaws.Analyzer) bool { return a.AccountID == lone && a.Region == region }
	disabled := time.Now()
	setStatus(c.aws, "DISABLED", mine)
	n := c.pager.await(t, disabled, "page", "firing", "AccessAnalyzerRegionUncovered")
	alert := n.Alerts[0]
	if len(n.Alerts) != 1 || alert.Labels["account_id"] != lone || alert.Labels["region"] != region || alert.Labels["account_name"] != "account-5" {
		t.Errorf("paged for %+v", n.Alerts)
	}
	if !strings.HasSuffix(alert.Annotations["runbook_url"], "/docs/runbooks/AccessAnalyzerRegionUncovered.md") || !strings.Contains(alert.Annotations["summary"], "account-5") {
		t.Errorf("annotations %v", alert.Annotations)
	}
	t.Logf("from DISABLED to the page: %s; the rule's 15m are %s here, an interval is 5s: the limit is %s",
		n.at.Sub(disabled).Round(time.Millisecond), 15*time.Minute/faster, 15*time.Minute/faster+2*5*time.Second)

	restarted := time.Now()
	c.running.stop(t)
	time.Sleep(5 * time.Minute / faster)
	c.running = c.exporter()
	c.pager.expectNone(t, "notified after a restart", restarted, quietTime+5*time.Minute/fasterAlertmanager, "page")

	enabled := time.Now()
	setStatus(c.aws, "ACTIVE", mine)
	if n := c.pager.await(t, enabled, "page", "resolved", "AccessAnalyzerRegionUncovered"); n.Alerts[0].Labels["account_id"] != lone {
		t.Errorf("resolved %v", n)
	}

	failing := time.Now()
	restore := c.aws.AddFault(&simaws.Fault{Kind: simaws.ServiceError, Service: "access-analyzer", Region: blackout})
	n = c.pager.await(t, failing, "ticket", "firing", "AccessAnalyzerCoverageUnknown")
	for _, a := range n.Alerts {
		if a.Labels["reason"] != "service_error" || !strings.Contains(a.Annotations["description"], "in "+blackout) {
			t.Errorf("a ticket for %v: %v", a.Labels, a.Annotations)
		}
	}
	// The last known state has expired by now. Unknown coverage does not page.
	c.pager.expectNone(t, "paged for unknown coverage", failing, 35*time.Second, "page")
	restore()
	c.pager.await(t, time.Now(), "ticket", "resolved", "AccessAnalyzerCoverageUnknown")

	regions := slices.DeleteFunc(slices.Clone(simaws.DefaultRegions), func(r string) bool { return r == region })[:10]
	c.expectOnePage(t, regions, "20 account(s)")
}

// TestFlood disables the organization analyzers of 1,000 accounts in ten Regions
// at once. Account analyzers do not count, so the exporter assumes no member
// roles.
func TestFlood(t *testing.T) {
	if os.Getenv("FLOOD") == "" {
		t.Skip("10,000 alerts keep a small machine busy for minutes: make e2e")
	}
	w := world(1000)
	w.Organization.TrustedServices = append(w.Organization.TrustedServices, simaws.AccountManagementPrincipal)
	w.Analyzers = append(w.Analyzers, &simaws.Analyzer{
		AccountID: admin, Region: region, Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE", CreatedAt: time.Now().AddDate(0, -1, 0),
	})
	c := start(t, w, fasterFlood,
		"accounts: {discovery: organization, organization_admins: ['"+admin+"']}\ncoverage: {external: {scopes: [organization]}}\n")
	c.pager.expectNone(t, "notified with full coverage", time.Now(), quietTime, "page", "ticket")
	c.expectOnePage(t, simaws.DefaultRegions[:10], "1000 account(s)")
}

// expectOnePage disables the organization analyzers in some Regions, and fails
// the test unless that leads to one page with an alert for each Region, whose
// summary begins with want.
func (c *chain) expectOnePage(t *testing.T, regions []string, want string) {
	t.Helper()
	many := time.Now()
	setStatus(c.aws, "DISABLED", func(a *simaws.Analyzer) bool { return a.Name == "organization" && slices.Contains(regions, a.Region) })
	n := c.pager.await(t, many, "page", "firing", "AccessAnalyzerRegionUncovered")
	t.Logf("%s after %s", n.Alerts[0].Annotations["summary"], n.at.Sub(many).Round(time.Millisecond))
	time.Sleep(quietTime)
	time.Sleep(5 * time.Minute / fasterAlertmanager) // Alertmanager groups later alerts for this long
	if sent := c.pager.since(many, "page"); len(sent) != 1 || len(n.Alerts) != len(regions) {
		t.Errorf("%d notifications for %s: %v", len(sent), want, sent)
	}
	if summary := n.Alerts[0].Annotations["summary"]; !strings.HasPrefix(summary, want) {
		t.Errorf("summary %q, want %s", summary, want)
	}
	t.Logf("tickets: %d", len(c.pager.since(many, "ticket")))
}
