package cli_test

import (
	"bytes"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

//go:generate go test . -run "^Test(IAMPolicyCommand|AuditGolden|Reasons|RulesFile|Reference)$" -update

func TestMain(m *testing.M) { lab.Main(m) }

// TestDemo checks that the demo has every metric family.
func TestDemo(t *testing.T) {
	p := lab.Launch(t, "demo")
	p.AwaitReady(t)
	seen := map[string]bool{"aws_access_analyzer_public_findings_unlisted": true} // needs more than findings.public_resources
	var missing []string
	t.Cleanup(func() { t.Log("missing families:", missing) })
	p.Await(t, "every family", func() bool {
		for name := range p.Families(t) {
			seen[name] = true // some come and go
		}
		missing = nil
		for _, f := range collector.Families() {
			if !seen[f.Name] {
				missing = append(missing, f.Name)
			}
		}
		return len(missing) == 0
	})
	if status, page := p.Get(t, "/"); status != http.StatusOK || !strings.Contains(page, "<table") {
		t.Errorf("the map: status %d", status)
	}
	if !strings.Contains(p.Stdout.String(), p.URL+"/metrics") {
		t.Errorf("stdout lacks the address of the metrics:\n%s", p.Stdout)
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.Stderr)
	}
}

// TestWithoutConfiguration starts with credentials alone.
func TestWithoutConfiguration(t *testing.T) {
	w := lab.Standalone()
	w.Accounts[0].Regions = simaws.Regions("eu-south-1")
	failed := lab.Analyzer(lab.Management, "eu-west-1", "ACCOUNT")
	failed.Status = "FAILED"
	w.Analyzers = []*simaws.Analyzer{lab.Analyzer(lab.Management, "eu-south-1", "ACCOUNT"), failed}
	lab.Simulate(t, w)
	p := lab.Launch(t)
	p.AwaitReady(t)
	coverage := lab.Series(p.Families(t)["aws_access_analyzer_coverage"], "account_id", "region")
	if len(coverage) != 18 || coverage[lab.Target(lab.Management, "eu-south-1")] != 1 || coverage[lab.Target(lab.Management, "eu-west-1")] != 0 {
		t.Errorf("coverage %v", coverage)
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestStartWithoutCredentials opens the port, logs one warning, and recovers by
// itself.
func TestStartWithoutCredentials(t *testing.T) {
	server := lab.Simulate(t, lab.Standalone())
	remove := server.AddFault(&simaws.Fault{Kind: simaws.InvalidCredentials, Service: "sts"})
	p := lab.Launch(t)
	p.Await(t, "scrape_error", func() bool { return p.Families(t)["aws_access_analyzer_scrape_error"] != nil })
	errs := lab.Series(p.Families(t)["aws_access_analyzer_scrape_error"], "account_id", "region", "operation", "reason")
	if errs["//GetCallerIdentity/credentials"] != 1 {
		t.Errorf("scrape_error %v", errs)
	}
	if status, _ := p.Get(t, "/-/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("ready before the first sweep: %d", status)
	}
	if status, _ := p.Get(t, "/-/healthy"); status != http.StatusOK {
		t.Errorf("not healthy: %d", status)
	}
	if lines := strings.Count(p.Stderr.String(), "level=WARN"); lines != 1 {
		t.Errorf("%d warnings, want one:\n%s", lines, p.Stderr)
	}
	remove()
	p.AwaitReady(t)
}

func TestCommandLine(t *testing.T) {
	t.Setenv("ACCESS_ANALYZER_EXPORTER_WEB_LISTEN_ADDRESS", tool.FreeAddress(t)) // the default may be in use
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	bad := lab.WriteFile(t, "sweep:\n  interval: soon\n")
	for _, test := range []struct {
		args []string
		code int
		out  string // part of what is written
	}{
		{[]string{"--version"}, 0, "access-analyzer-exporter, version"},
		{[]string{"version"}, 0, "access-analyzer-exporter, version"},
		{[]string{"--help"}, 0, "check-config"},
		{[]string{"serve", "--help"}, 0, "ACCESS_ANALYZER_EXPORTER_WEB_LISTEN_ADDRESS"},
		{[]string{"check-config", "../../config.yaml"}, 0, "config.yaml: valid"},
		{[]string{"check-config", bad}, 1, bad + ":2: sweep.interval: "},
		{[]string{"check-config", missing}, 1, missing},
		{[]string{"--config.file=" + missing}, 1, missing},
		{[]string{"--config.file=" + bad}, 1, bad + ":2: sweep.interval: "},
		{[]string{"--config.flie=x"}, 80, "config.flie"},
		{[]string{"--shard.index=2", "--shard.total=2"}, 80, "the index must be from 0 to the total less one"},
		{[]string{"--web.config.file=" + missing}, 1, "web.config.file"},
		{[]string{"--web.listen-address=256.0.0.1:1"}, 1, "256.0.0.1"},
		{[]string{"--config.auto-reload-interval=-5s"}, 80, "must not be negative"},
		{[]string{"--web.telemetry-path=metrics"}, 80, "must start with a slash"},
		{[]string{"--web.telemetry-path="}, 80, "must start with a slash"},
		{[]string{"--web.telemetry-path=/-/ready"}, 80, "serves something else there"},
		{[]string{"demo", "--web.telemetry-path=metrics"}, 80, "must start with a slash"},
		{[]string{"--log.level=loud"}, 80, "log.level"},
		{[]string{"demo", "--scenario=" + missing}, 80, missing},
		{[]string{"demo", "--scenario=" + bad}, 1, bad},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var out lab.Buffer
			code := cli.Run(t.Context(), test.args, &out, &out)
			if code != test.code || !strings.Contains(out.String(), test.out) {
				t.Errorf("exit code %d, want %d, with %q in:\n%s", code, test.code, test.out, out.String())
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("ACCESS_ANALYZER_EXPORTER_SHARD_TOTAL", "0")
	var out lab.Buffer
	if code := cli.Run(t.Context(), nil, &out, &out); code == 0 || !strings.Contains(out.String(), "--shard.total=0") {
		t.Errorf("the variable has no effect: exit code %d\n%s", code, out.String())
	}
}

// TestEmptyVariable has a variable of each type of flag.
func TestEmptyVariable(t *testing.T) {
	const prefix = "ACCESS_ANALYZER_EXPORTER_"
	for name, args := range map[string][]string{
		"CONFIG_FILE":                 {"iam-policy"},
		"CONFIG_AUTO_RELOAD_INTERVAL": nil,
		"LOG_FORMAT":                  {"serve"},
		"LOG_LEVEL":                   nil,
		"SHARD_INDEX":                 nil,
		"SHARD_TOTAL":                 {"--shard.index=0"},
		"WEB_ENABLE_LIFECYCLE":        nil,
		"WEB_HEALTH_LISTEN_ADDRESS":   nil,
		"WEB_LISTEN_ADDRESS":          {"demo"},
		"OUTPUT":                      {"audit", "--demo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(prefix+name, "")
			var out lab.Buffer
			code, want := cli.Run(t.Context(), args, &out, &out), 1
			if slices.Contains(args, "audit") {
				want = 3
			}
			if line := "access-analyzer-exporter: " + prefix + name + " is empty: set it, or unset it to use the default\n"; code != want || out.String() != line {
				t.Errorf("exit code %d, want %d\n%s", code, want, out.String())
			}
		})
	}
	t.Run("of another command, of a flag that is given, and help", func(t *testing.T) {
		t.Setenv(prefix+"SCENARIO", "")
		t.Setenv(prefix+"CONFIG_FILE", "")
		for _, args := range [][]string{{"check-config", "--config.file=" + lab.WriteFile(t, "{}")}, {"--help"}, {"serve", "--help"}} {
			var out lab.Buffer
			if code := cli.Run(t.Context(), args, &out, &out); code != 0 {
				t.Errorf("%v: exit code %d\n%s", args, code, out.String())
			}
		}
	})
}

// TestConfigurationVariable is the configuration of every command in an environment
// variable, as on Amazon ECS.
func TestConfigurationVariable(t *testing.T) {
	t.Setenv("ACCESS_ANALYZER_EXPORTER_WEB_LISTEN_ADDRESS", tool.FreeAddress(t)) // the default may be in use
	const variable = "ACCESS_ANALYZER_EXPORTER_CONFIG"
	file := lab.WriteFile(t, "sweep:\n  interval: 30m\n")
	const both = "exclude each other"
	for name, test := range map[string]struct {
		value string
		args  []string
		code  int
		out   string
	}{
		"valid":                     {"sweep: {interval: 30m}", []string{"check-config"}, 0, variable + ": valid"},
		"a named file is validated": {"sweep: {interval: soon}", []string{"check-config", file}, 0, file + ": valid"},
		"line and key":              {"accounts:\n  refresh: 1h\nsweep:\n  interval: soon\n", []string{"check-config"}, 1, variable + ":4: sweep.interval: "},
		"serve":                     {"sweep: {interval: soon}", nil, 1, variable + ":1: sweep.interval: "},
		"audit":                     {"sweep: {interval: soon}", []string{"audit"}, 3, variable + ":1: sweep.interval: "},
		"audit of the demo":         {"sweep: {interval: soon}", []string{"audit", "--demo"}, 3, variable + ":1: sweep.interval: "},
		"demo":                      {"sweep: {interval: soon}", []string{"demo"}, 1, variable + ":1: sweep.interval: "},
		"iam-policy":                {"sweep: {interval: soon}", []string{"iam-policy"}, 1, variable + ":1: sweep.interval: "},
		"iam-policy, valid":         {"assume_role: {name: reader}\naccounts: {discovery: organization}", []string{"iam-policy", "hub"}, 0, ":role/reader"},
		"the name of a parameter":   {"/monitoring/access-analyzer-exporter", []string{"check-config"}, 1, variable + ":1: does not consist of keys and values"},
		"empty":                     {" \n", nil, 1, variable + " is empty"},
		"empty, check-config":       {"", []string{"check-config"}, 1, variable + " is empty"},
		"serve, both":               {"{}", []string{"--config.file=" + file}, 1, both},
		"audit, both":               {"{}", []string{"audit", "--config.file=" + file}, 3, both},
		"demo, both":                {"{}", []string{"demo", "--config.file=" + file}, 1, both},
		"iam-policy, both":          {"{}", []string{"iam-policy", "--config.file=" + file}, 1, both},
		"a file that cannot be read": {
			"assume_role: {name: reader, external_id_file: missing}\naccounts: {discovery: organization}",
			[]string{"check-config"},
			1, variable + ":1: assume_role.external_id_file: cannot be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(variable, test.value)
			var out lab.Buffer
			code := cli.Run(t.Context(), test.args, &out, &out)
			if code != test.code || !strings.Contains(out.String(), test.out) {
				t.Errorf("exit code %d, want %d, with %q in:\n%s", code, test.code, test.out, out.String())
			}
			if strings.Contains(out.String(), "belongs to no flag") {
				t.Errorf("reported as unknown:\n%s", out.String())
			}
		})
	}
	t.Run("check-config without a configuration", func(t *testing.T) {
		var out lab.Buffer
		if code := cli.Run(t.Context(), []string{"check-config"}, &out, &out); code != 1 || !strings.Contains(out.String(), variable) {
			t.Errorf("exit code %d:\n%s", code, out.String())
		}
	})
}

func TestSuggestsTheCommandThatWasMeant(t *testing.T) {
	for typed, meant := range map[string]string{
		"audti": "audit", "Audit": "audit", "dmo": "demo", "iam-polcy": "iam-policy", "serv": "serve", "check-confg": "check-config",
		"production": "", "x": "", "--audti": "",
	} {
		var out, note bytes.Buffer
		if code := cli.Run(t.Context(), []string{typed}, &out, &note); code == 0 {
			t.Errorf("%s: exit code 0", typed)
		}
		if got := strings.Contains(note.String(), "did you mean"); got != (meant != "") || !strings.Contains(note.String(), meant) {
			t.Errorf("%s: %s", typed, &note)
		}
	}
}

func TestDemoReportsAPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var out, note bytes.Buffer
	if code := cli.Run(t.Context(), []string{"demo", "--web.listen-address=" + l.Addr().String()}, &out, &note); code != 1 {
		t.Errorf("exit code %d", code)
	}
	want := "access-analyzer-exporter: another program listens on " + l.Addr().String() + "; choose another port, such as --web.listen-address=localhost:10290\n"
	if note.String() != want || out.Len() > 0 {
		t.Errorf("%q, output %q", note.String(), out.String())
	}
}
