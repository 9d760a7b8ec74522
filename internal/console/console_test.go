package console

import (
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

func TestLinks(t *testing.T) {
	const account, admin = "111122223333", "999900001111"
	analyzer := func(owner, region, kind string) *inventory.Analyzer {
		return &inventory.Analyzer{AccountID: owner, Region: region, Name: "main.1", Type: kind}
	}
	portal := Links{StartURL: "https://example.awsapps.com/start/", Role: "SecurityAudit"}
	for _, test := range []struct{ name, got, want string }{
		{"analyzers", Links{}.Analyzers(account, "eu-west-1"), "https://eu-west-1.console.aws.amazon.com/access-analyzer/home?region=eu-west-1#/analyzers"},
		{"China", Links{}.Analyzers(account, "cn-north-1"), "https://cn-north-1.console.amazonaws.cn/access-analyzer/home?region=cn-north-1#/analyzers"},
		{"GovCloud", Links{}.Analyzers(account, "us-gov-west-1"), "https://us-gov-west-1.console.amazonaws-us-gov.com/access-analyzer/home?region=us-gov-west-1#/analyzers"},
		{"European Sovereign Cloud", Links{}.Analyzers(account, "eusc-de-east-1"), "https://eusc-de-east-1.console.amazonaws-eusc.eu/access-analyzer/home?region=eusc-de-east-1#/analyzers"},
		{"isolated", Links{}.Analyzers(account, "us-iso-east-1"), ""},
		{"another host", Links{}.Analyzers(account, "example.org/"), ""},
		{"a Region newer than this program", Links{}.Analyzers(account, "cn-south-9"), "https://cn-south-9.console.amazonaws.cn/access-analyzer/home?region=cn-south-9#/analyzers"},
		{"analyzer", Links{}.Analyzer(analyzer(account, "eu-west-1", "ACCOUNT")), "https://eu-west-1.console.aws.amazon.com/access-analyzer/home?region=eu-west-1#/analyzer/main.1"},
		{"findings", Links{}.Findings(analyzer(account, "eu-west-1", "ACCOUNT"), account), "https://eu-west-1.console.aws.amazon.com/access-analyzer/home?region=eu-west-1#/findings"},
		{"findings of a member", Links{}.Findings(analyzer(admin, "eu-west-1", "ORGANIZATION"), account), "https://eu-west-1.console.aws.amazon.com/access-analyzer/home?region=eu-west-1#/findings?resourceOwnerAccount=111122223333"},
		{"unused access", Links{}.Findings(analyzer(account, "eu-west-1", "ACCOUNT_UNUSED_ACCESS"), account), "https://eu-west-1.console.aws.amazon.com/access-analyzer/home?region=eu-west-1#/unused-access-findings"},
		{
			"portal", portal.Analyzers(account, "us-gov-west-1"),
			"https://example.awsapps.com/start/#/console?account_id=111122223333&role_name=SecurityAudit" +
				"&destination=https%3A%2F%2Fus-gov-west-1.console.amazonaws-us-gov.com%2Faccess-analyzer%2Fhome%3Fregion%3Dus-gov-west-1%23%2Fanalyzers",
		},
		{
			"portal, the owner of the analyzer", Links{StartURL: "https://start.example.org"}.Findings(analyzer(admin, "eu-west-1", "ORGANIZATION"), account),
			"https://start.example.org/#/console?account_id=999900001111" +
				"&destination=https%3A%2F%2Feu-west-1.console.aws.amazon.com%2Faccess-analyzer%2Fhome%3Fregion%3Deu-west-1%23%2Ffindings%3FresourceOwnerAccount%3D111122223333",
		},
		{
			"template", Links{StartURL: "https://start.example.org", Template: "https://login.example.org/aws/{account_id}?in={region}&to={destination}"}.Analyzers(account, "eu-west-1"),
			"https://login.example.org/aws/111122223333?in=eu-west-1&to=https%3A%2F%2Feu-west-1.console.aws.amazon.com%2Faccess-analyzer%2Fhome%3Fregion%3Deu-west-1%23%2Fanalyzers",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.got != test.want {
				t.Errorf("\n%s, want\n%s", test.got, test.want)
			}
		})
	}
}
