package collector

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// The names of accounts and resources reach the annotations of alerts through
// account_name and resource.
func TestNamesHaveNoMarkup(t *testing.T) {
	for _, test := range []struct{ what, name, want string }{
		{"usual characters", "R&D_shop-prod (eu) [1] #2, v1.0!", "R&D_shop-prod (eu) [1] #2, v1.0!"},
		{"other scripts", "Zürich 東京 💥", "Zürich 東京 💥"},
		{"link of Slack", "<https://evil|sign in>", "＜https：//evil|sign in＞"},
		{"mention in Slack", "<!channel>", "＜!channel＞"},
		{"mention elsewhere", "@everyone", "＠everyone"},
		{"link of Markdown", "[sign in](https://evil)", "[sign in］(https：//evil)"},
		{"format", "*a* `b` ~c~", "＊a＊ ｀b｀ ～c～"},
		{"element of HTML", "<img src=x>", "＜img src=x＞"},
		{"line and direction", "a\r\n# b\u202ec", "a  # b c"},
	} {
		t.Run(test.what, func(t *testing.T) {
			s := &inventory.Snapshot{Accounts: []*inventory.Account{{ID: "111111111111", Name: test.name}}}
			want := `aws_access_analyzer_account_info{account_id="111111111111",account_name="` + test.want + `",role=""} 1`
			if got := string(written(t, s)); !strings.Contains(got, want) {
				t.Errorf("no series %s in\n%s", want, got)
			}
			public := inventory.PublicResource{PublicFinding: inventory.PublicFinding{Resource: "arn:aws:iam::111111111111:role/" + test.name}, Analyzer: &inventory.Analyzer{}}
			want = `,resource="arn:aws:iam::111111111111:role/` + test.want + `",resource_type=""} 0`
			if got := string(written(t, &inventory.Snapshot{PublicResources: []inventory.PublicResource{public}})); !strings.Contains(got, want) {
				t.Errorf("no series with %s in\n%s", want, got)
			}
		})
	}
}

// Mail and chat clients make links of bare domains.
func TestNamesOfAccountsHaveNoDomains(t *testing.T) {
	for name, want := range map[string]string{
		"evil.example":        "evil．example",
		"www.evil.example/a":  "www．evil．example/a",
		"evil.xn--p1ai":       "evil．xn--p1ai",
		"пример.рф":           "пример．рф",
		"shop v1.2, prod. eu": "shop v1.2, prod. eu",
		"J. P. team":          "J. P. team",
	} {
		s := &inventory.Snapshot{Accounts: []*inventory.Account{{ID: "111111111111", Name: name}}}
		if got := string(written(t, s)); !strings.Contains(got, `account_name="`+want+`"`) {
			t.Errorf("%s: no account_name=%q in\n%s", name, want, got)
		}
	}
	resource := inventory.PublicResource{PublicFinding: inventory.PublicFinding{Resource: "arn:aws:s3:::www.shop.example"}, Analyzer: &inventory.Analyzer{}}
	if got := string(written(t, &inventory.Snapshot{PublicResources: []inventory.PublicResource{resource}})); !strings.Contains(got, `resource="arn:aws:s3:::www.shop.example"`) {
		t.Errorf("the ARN of a bucket is changed:\n%s", got)
	}
}

func TestLongLabelsAreCutOff(t *testing.T) {
	for _, value := range []string{strings.Repeat("é", 600), "a" + strings.Repeat("é", 600), strings.Repeat("a\xff", 600), strings.Repeat("a", 1025)} {
		if l := bounded(value); len(l) > 1024 || len(l) < 1020 || !strings.HasSuffix(l, "…") || !utf8.ValidString(l) {
			t.Errorf("%.5q became %d bytes, which end with %q", value, len(l), l[max(0, len(l)-6):])
		}
	}
	if got := bounded(strings.Repeat("a", 1024)); len(got) != 1024 {
		t.Errorf("a value of 1024 bytes became %d", len(got))
	}
}
