package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/rules"
)

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func equal(t *testing.T, got, want *Config) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", marshal(t, got), marshal(t, want))
	}
}

func marshal(t testing.TB, c *Config) []byte {
	t.Helper()
	data, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const anyS3 = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}` + "\n"

// good has the changes that each file of testdata/good makes to the defaults.
var good = map[string]func(*Config){
	"single-account.yaml": func(c *Config) {
		c.Coverage.Unused.Required = true
		c.Coverage.Exemptions = []Exemption{{Account: "*", Region: "eu-north-1", Access: "external", Reason: "no workloads"}}
	},
	"organization.yaml": func(c *Config) {
		c.Accounts.Discovery = DiscoveryOrganization
		c.Accounts.Exclude = []string{"012345678901"}
		c.AssumeRole.Name = "security/access-analyzer-reader"
		c.AssumeRole.ExternalID = "example-external-id"
		c.Events.QueueURL = "https://sqs.eu-west-1.amazonaws.com/123456789012/access-analyzer-findings"
	},
	"organization-without-role.yaml": func(c *Config) {
		c.Accounts.Discovery = DiscoveryOrganization
		c.Accounts.OrganizationAdmins = []string{"123456789012"}
		c.Coverage.External.Scopes = []string{"organization"}
	},
	"labels.yaml": func(c *Config) {
		c.Accounts.Discovery = DiscoveryOrganization
		c.Accounts.Labels = AccountLabels{OU: true, Tags: []string{"team", "environment"}}
		c.Accounts.Static = []StaticAccount{{
			ID: "777788889999", RoleARN: "arn:aws:iam::777788889999:role/audit",
			Labels: map[string]string{"team": "acquisitions", "environment": "production", "Cost center": "0815"},
		}}
		c.AssumeRole.Name = "access-analyzer-reader"
	},
	"exemptions.yaml": func(c *Config) {
		c.Accounts.Discovery = DiscoveryOrganization
		c.AssumeRole.Name = "access-analyzer-reader"
		c.Coverage.Unused.Required = true
		c.Coverage.Exemptions = []Exemption{
			{Account: "*", Region: "me-south-1", Access: "*", Reason: "closed by a service control policy"},
			{Account: "012345678901", Region: "global", Access: "unused", Reason: "break-glass users are meant to be unused"},
			{Account: "123456789012", Region: "*", Access: "external", Reason: "being closed", Until: time.Date(2027, 3, 31, 0, 0, 0, 0, time.UTC)},
		}
	},
	"every-key.yaml": func(c *Config) {
		*c = Config{
			Sweep:    Sweep{Interval: hours(24), Timeout: model.Duration(90 * time.Second), Concurrency: 10000},
			Findings: Findings{Interval: hours(7 * 24), FullInterval: hours(14 * 24), Statuses: []string{"RESOLVED"}},
			Accounts: Accounts{
				Discovery: DiscoveryOrganization, Refresh: hours(12),
				Include: []string{"111122223333"}, Exclude: []string{"444455556666"},
				Labels: AccountLabels{OU: true, Tags: []string{"a/b=c+d@e.f:g-h i_j"}},
				Static: []StaticAccount{
					{ID: "777788889999", Name: "build: east", RoleARN: "arn:aws-us-gov:iam::777788889999:role/a/b/audit", Labels: map[string]string{"team": ""}},
					{ID: "000000000001"},
				},
				OrganizationAdmins: []string{"123456789012"},
			},
			AssumeRole: AssumeRole{Name: "a+b=c,d.e@f-g_h", ExternalID: "a:b/c=d,e.f@g-h+1_2", SessionName: "=,.@-+", Enter: EnterUncovered},
			Regions: Regions{
				Include: []string{"us-gov-west-1", "us-isob-east-1", "eusc-de-east-1"},
				Exclude: []string{"cn-northwest-1", "us-iso-east-1"},
			},
			Coverage: Coverage{
				External: Access{Scopes: []string{"account"}},
				Unused:   Access{Scopes: []string{"organization"}},
				Internal: Access{Required: true, Scopes: []string{"organization", "account"}},
				Exemptions: []Exemption{{
					Account: "*", Region: "*", Access: "*", Reason: "being migrated",
					Until: time.Date(2027, 3, 31, 12, 30, 0, 0, time.FixedZone("", 2*60*60)),
				}},
			},
			Events: Events{QueueURL: "http://127.0.0.1:9324/000000000000/findings.fifo"},
			Policies: Policies{
				Enabled: true, Types: []string{"inline", "service_control"}, Interval: hours(48), FullInterval: hours(48), ChecksPerDay: 7,
				Checks: []PolicyCheck{
					{Name: "no.keys-1_", AccessNotGranted: []string{"iam:Create*", "s3-object-lambda:Get?bject"}},
					{Name: "boundary", NoNewAccess: "boundary.json", Reference: `{"Version": "2012-10-17", "Statement": []}`},
					{Name: "within", NoNewAccess: anyS3, Reference: anyS3},
				},
			},
			AWS: AWS{SSOStartURL: "https://example.awsapps.com/start/", SSORole: "Security.Audit"},
			Rules: rules.Settings{
				Job: "iam-(prod|test)", AccountLabels: []string{"label_team", "ou_name"},
				Runbooks: "https://wiki.example.org/a%20b/~runbooks", Dashboards: "https://grafana.example.org:3000/graf/d", Exporter: "http://exporter.example.org:10289/{job}",
				LeaveOut: []string{"AccessAnalyzerFindingTooOld"}, Severities: map[string]string{"AccessAnalyzerPublicFinding": "P1"}, GroupLimit: 10,
				LostFor: hours(2), NewTargetGrace: hours(24), UnknownFor: hours(3), UnknownPercent: 100,
				FindingMaxAge: hours(24), UnusedFindingMaxAge: hours(48), ArchivedFindings: 1,
				ExemptionNotice: hours(14 * 24), ThrottledPercent: 1,
			},
		}
	},
	"source-text.yaml": func(c *Config) {
		c.Accounts.Include = []string{"012345678901", "000000000000", "123456789012", "777788889999"}
		c.Accounts.Static = []StaticAccount{{ID: "012345670123", Name: "2027-03-31", RoleARN: "arn:aws:iam::012345670123:role/audit"}}
		c.AssumeRole.ExternalID = "0123"
		c.AssumeRole.SessionName = "1e3"
	},
	"anchors.yaml": func(c *Config) {
		both := Access{Required: true, Scopes: []string{"organization"}}
		c.Coverage.External, c.Coverage.Unused = both, both
		c.Coverage.Internal.Scopes = both.Scopes
	},
	"commented-out.yaml": func(*Config) {},
	"new-regions.yaml": func(c *Config) {
		c.Regions.Include = []string{"ap-southeast-9", "sa-west-1", "eu-east-1", "nz-north-1", "us-isog-east-1"}
	},
	"short-interval.yaml": func(c *Config) {
		c.Sweep = Sweep{Interval: model.Duration(time.Second), Timeout: model.Duration(time.Second), Concurrency: 1}
		c.StaleAfter = hours(100 * 365 * 24)
	},
	"aws-console-url.yaml": func(c *Config) {
		c.AWS.ConsoleURL = "https://login.example.org:8443/to/{account_id}/{region}?u={destination}#x"
	},
	"past-exemption.yaml": func(c *Config) {
		c.Coverage.Exemptions = []Exemption{{Account: "*", Region: "global", Access: "*", Reason: "over", Until: time.Unix(0, 0).UTC()}}
	},
}

func hours(n time.Duration) model.Duration { return model.Duration(n * time.Hour) }

func TestGood(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) != len(good) {
		t.Fatalf("%d files in testdata/good, %d known (%v)", len(files), len(good), err)
	}
	for name, change := range good {
		t.Run(name, func(t *testing.T) {
			want := Default()
			change(want)
			got, err := Load(filepath.Join("testdata/good", name))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, want)
		})
	}
}

// Every file of testdata/bad begins with its expected errors, in lines that start
// with "# want: ".
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files in testdata/bad", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data := read(t, file)
			var want []string
			for line := range strings.Lines(string(data)) {
				if message, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, strings.TrimSuffix(message, "\n"))
				}
			}
			c, err := Parse("config.yaml", data)
			if c != nil || err == nil {
				t.Fatal("accepted")
			}
			if want := strings.Join(want, "\n"); err.Error() != want {
				t.Errorf("got:\n%s\nwant:\n%s", err, want)
			}
		})
	}
}

// Cases that depend on bytes, size or position.
func TestParse(t *testing.T) {
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	const bom = "\ufeff"
	for name, test := range map[string]struct {
		data string
		want string // error; empty for the defaults
	}{
		"empty":                 {"", ""},
		"blank":                 {"\n\n", ""},
		"comments":              {"# nothing\n# at all", ""},
		"document of nothing":   {"---\n", ""},
		"document end":          {"sweep: {}\n...\n", ""},
		"null":                  {"~", ""},
		"byte order mark":       {bom + "sweep:\n  interval: 15m\n", ""},
		"byte order mark alone": {bom, ""},
		"carriage returns":      {crlf("---\nsweep:\n  interval: 15m\nfindings:\n  statuses:\n    - ACTIVE\n    - ARCHIVED\n"), ""},
		"as large as can be":    {"#" + strings.Repeat(" ", MaxSize-1), ""},

		"line after a byte order mark":     {bom + "\nsweep:\n  intervall: 1m\n", "c.yaml:3: sweep.intervall: is an unknown key; did you mean sweep.interval?"},
		"line after carriage returns":      {crlf("\n\nsweep:\n  interval: 0\n"), "c.yaml:4: sweep.interval: 0s is too short; write at least 1s"},
		"syntax after carriage returns":    {crlf("sweep:\n  interval: 15m\n timeout: 1m\n"), "c.yaml:3: is not YAML (did not find expected key): this line does not continue what is above it; indent the keys of a section alike"},
		"no end of line":                   {"stale_after: 1", `c.yaml:1: stale_after: "1" is not a duration; write numbers with units (ms, s, m, h, d, w or y), such as 15m or 1h30m`},
		"error in the first line":          {"sweep: }", "c.yaml:1: is not YAML (did not find expected node content): a value is missing, or a bracket is closed that was not opened"},
		"quote open from the first line":   {"stale_after: '1h\nsweep: {}\n", "c.yaml:1: is not YAML (found unexpected end of stream): a quote is not closed"},
		"anchor unknown in the first line": {"events: *queue", `c.yaml:1: is not YAML (unknown anchor): put text that begins with * in quotes, such as "*"`},
		"not UTF-8":                        {"sweep: {}\nassume_role: {name: \xff}\n", "c.yaml:2: is not YAML (invalid leading UTF-8 octet): save the file as plain text in UTF-8"},
		"control character":                {"sweep: {}\n\nassume_role: {name: \x01}\n", "c.yaml:3: is not YAML (control characters are not allowed): save the file as plain text in UTF-8"},
		"reason of many characters":        {"coverage: {exemptions: [{account: '*', region: '*', access: '*', reason: '" + strings.Repeat("é", 257) + "'}]}", "c.yaml:1: coverage.exemptions[0].reason: has 257 characters; write at most 256, because it is the value of a label"},
		"directive":                        {"%FOO bar\n---\n", "c.yaml:1: is not YAML (found unknown directive name): look for indentation, quotes and brackets at this line and above"},
		"second document of nothing":       {"sweep: {}\n---\n", "c.yaml:2: a second YAML document begins here; write a single document, without a line of ---"},
		"second document not YAML":         {"sweep: {}\n---\n[", "c.yaml:3: is not YAML (did not find expected node content): a value is missing, or a bracket is closed that was not opened"},
		"too large":                        {"#" + strings.Repeat(" ", MaxSize), "c.yaml:1: is larger than 1024 KiB, the maximum size of a configuration"},
		"many lines in one value":          {`assume_role: {name: "a` + strings.Repeat(`\n`, 100) + `"}`, `c.yaml:1: assume_role.name: "a` + strings.Repeat(`\n`, 79) + `…" is not the name of a role; write it without account and leading slash, such as audit or path/audit`},
		"unknown key of many characters":   {strings.Repeat("k", 65) + ": 1", "c.yaml:1: " + strings.Repeat("k", 64) + ": is not a key; write one word, a colon, a space and the value"},
		"key that is an alias":             {"stale_after: &k 1h\n*k : 1", "c.yaml:2: k: is not a key; write one word, a colon, a space and the value"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("c.yaml", []byte(test.data))
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				equal(t, c, Default())
			} else if err == nil || err.Error() != test.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, test.want)
			}
		})
	}
}

// Aliases make a short file wide. The types limit its depth.
func TestWideAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("coverage:\n  exemptions:\n    - &e {account: \"*\", region: \"*\", access: \"*\", reason: closed}\n")
	for range 50_000 {
		b.WriteString("    - *e\n")
	}
	_, err := Parse("config.yaml", []byte(b.String()))
	const want = "config.yaml:1: amounts to more than 100000 values; write fewer aliases"
	if err == nil || err.Error() != want {
		t.Errorf("got %.200v, want %s", err, want)
	}
}

func TestErrors(t *testing.T) {
	_, err := Parse("a/b.yaml", []byte("sweep: {interval: 0, concurrency: 0}\nstale_after: [\n]\n"))
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatalf("%T is not Errors", err)
	}
	type position struct {
		file         string
		line, column int
		key          string
	}
	var got []position
	for _, f := range errs {
		got = append(got, position{f.File, f.Line, f.Column, f.Key})
	}
	want := []position{{"a/b.yaml", 1, 19, "sweep.interval"}, {"a/b.yaml", 1, 35, "sweep.concurrency"}, {"a/b.yaml", 2, 14, "stale_after"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestManyErrors(t *testing.T) {
	for n, want := range map[int]string{1: "k0: ", 100: "k99: ", 101: "and 1 more", 5_000: "and 4900 more"} {
		var junk strings.Builder
		for i := range n {
			fmt.Fprintf(&junk, "k%d: 1\n", i)
		}
		_, err := Parse("c.yaml", []byte(junk.String()))
		lines := strings.Split(err.Error(), "\n")
		if last := lines[len(lines)-1]; len(lines) > 101 || !strings.Contains(last, want) || len(err.Error()) > 64<<10 {
			t.Errorf("%d errors: %d lines, %d bytes, the last is %s", n, len(lines), len(err.Error()), last)
		}
	}
}

func TestLoad(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	if _, err := Load(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("a directory is accepted")
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, bytes.Repeat([]byte("# x\n"), MaxSize/2), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(large); err == nil || err.Error() != large+":1: is larger than 1024 KiB, the maximum size of a configuration" {
		t.Errorf("large file: %v", err)
	}
}

func TestExternalIDFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"id": "s3cr3t-id", "line": "012345678901\n", "windows": "s3cr3t-id\r\n", "bad": "s3cr3t id\n", "empty": "\n", "large": strings.Repeat("s3cr3t", 10_000),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	for _, test := range []struct{ text, want, fault string }{
		{"external_id_file: id", "s3cr3t-id", ""},
		{"external_id_file: " + filepath.Join(dir, "line"), "012345678901", ""},
		{"external_id_file: windows", "s3cr3t-id", ""},
		{"external_id_file: ''", "", ""},
		{"external_id_file: bad", "", file + ":1: assume_role.external_id_file: is not an external ID; write 2 to 1224 letters, digits or any of _+=,.@:/-"},
		{"external_id_file: empty", "", file + ":1: assume_role.external_id_file: cannot be read (the file is empty); write the path of a file that has the external ID"},
		{"external_id_file: missing", "", "no such file or directory"},
		{"external_id_file: large", "", "too large"},
		{"external_id_file: /dev/zero", "", "not a regular file"},
		{"{external_id: s3cr3t-id, external_id_file: id}", "", file + ":1: assume_role.external_id_file: is set together with assume_role.external_id; remove one of them"},
	} {
		if err := os.WriteFile(file, []byte("assume_role: {"+strings.Trim(test.text, "{}")+"}"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file)
		switch {
		case test.fault == "" && (err != nil || c.AssumeRole.ExternalID != test.want):
			t.Errorf("%s: %v, want %q", test.text, err, test.want)
		case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault) || strings.Contains(err.Error(), "s3cr3t")):
			t.Errorf("%s: %v, want %s", test.text, err, test.fault)
		}
	}
}

// No error message contains the external ID.
func TestExternalIDIsNotPrinted(t *testing.T) {
	const secret = "s3cr3t"
	for _, format := range []string{
		"assume_role: {external_id: '%s with spaces'}",
		"assume_role: {external_id: [%s]}",
		"assume_role: {external_id: {%s: 1}}",
		"assume_role: {external_id: !!bool %s}",
		"assume_role: {external_id: !tag %s}",
		"assume_role: {external_id: !%s x}",
		"assume_role: {external_id: *%s}",
		"assume_role: {external_id: %s, external_id: %[1]s}",
		"assume_role: {external_ID: %s}",
		"assume_role: {externalid: %s}",
		"assume_role: {external_id:%s}",
		"assume_role: {external_id=%s}",
		"assume_role: {external_id %s}",
		"assume_role:\n  external_id:%s",
		"assume_role:\n  external_id:%s\n  name: audit",
		"assume_role:\n  external_id: %s: x",
		"assume_role:\n  external_id: \"%s",
		"assume_role:\n  external_id: @%s",
		"assume_role:\n  external_id: `%s`",
		"assume_role:\n  external_id: |%s",
		"assume_role:\n  external_id: &%s",
		"assume_role:\n  external_id: %%%s",
		"assume_role:\n- external_id: %s",
		"external_id: %s",
		"assume_role: external_id=%s",
		"assume_role: {external_id: &e '%s:', name: *e, session_name: *e}\nsweep: {interval: *e, concurrency: *e}\nfindings: {enabled: *e, statuses: [*e]}\naccounts: {discovery: *e, static: [{id: *e, role_arn: *e}, {id: *e}]}\ncoverage: {exemptions: [{account: *e, region: *e, access: *e, reason: x, until: *e}]}",
	} {
		_, err := Parse("config.yaml", fmt.Appendf(nil, format, secret))
		if err == nil {
			t.Errorf("%s: accepted", format)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestRegions(t *testing.T) {
	for _, name := range knownRegions {
		if remedy := regionNames.remedy(name); remedy != "" {
			t.Errorf("%s: %s", name, remedy)
		}
		if regionFormat.FindString(name) == "" {
			t.Errorf("%s is not of the format of Regions", name)
		}
		// A letter that is missing in the direction leads back to a Region.
		end := len(name) - len("-1")
		for i := strings.LastIndex(name[:end], "-") + 1; i < end; i++ {
			typo := name[:i] + name[i+1:]
			remedy := regionNames.remedy(typo)
			meant := strings.TrimSuffix(strings.TrimPrefix(remedy, "did you mean "), "?")
			if !slices.Contains(knownRegions, meant) || editDistance(typo, meant) != 1 {
				t.Errorf("%s: %q", typo, remedy)
			}
		}
	}
}

// shown reports whether a message is one line of limited length without control
// characters.
func shown(s string) bool {
	return len(s) < 1500 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml", "../../config.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal("no seeds for", pattern, err)
		}
		for _, file := range files {
			f.Add(read(f, file))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("config.yaml", data)
		if err == nil {
			again, err := Parse("config.yaml", marshal(t, c))
			if err != nil {
				t.Fatalf("accepted, but not once more: %v", err)
			}
			if a, b := marshal(t, c), marshal(t, again); !bytes.Equal(a, b) {
				t.Fatalf("not the same once more:\n%s\n%s", a, b)
			}
			return
		}
		var errs Errors
		if c != nil || !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("%v, %T %v", c, err, err)
		}
		// YAML has more characters than one that end a line.
		lines := 1 + len(data)
		for i, e := range errs {
			if e.File != "config.yaml" || e.Line < 1 || e.Line > lines || e.Column < 0 || e.Message == "" || !shown(e.Error()) {
				t.Fatalf("%#v", e)
			}
			if i > 0 && e.Line < errs[i-1].Line {
				t.Fatalf("not sorted:\n%v", err)
			}
		}
	})
}
