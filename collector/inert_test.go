package collector

import (
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// The names of accounts reach the annotations of alerts through account_name.
func TestAccountNamesHaveNoMarkup(t *testing.T) {
	for _, test := range []struct{ what, name, want string }{
		{"usual characters", "R&D_shop-prod (eu) [1] #2, v1.0!", "R&D_shop-prod (eu) [1] #2, v1.0!"},
		{"other scripts", "Zürich 東京 💥", "Zürich 東京 💥"},
		{"link of Slack", "<https://x.example|sign in>", "＜https：//x.example|sign in＞"},
		{"mention in Slack", "<!channel>", "＜!channel＞"},
		{"mention elsewhere", "@everyone", "＠everyone"},
		{"link of Markdown", "[sign in](https://x.example)", "[sign in］(https：//x.example)"},
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
		})
	}
}
