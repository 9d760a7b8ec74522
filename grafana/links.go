package main

import "fmt"

// consoles are the addresses of the AWS console by Region, as in the alerts. “global”
// has the first.
var consoles = []struct{ region, address string }{
	{".*", "console.aws.amazon.com/access-analyzer/home"},
	{"[a-z]+-[a-z]+-[0-9]+", regional("console.aws.amazon.com")},
	{"cn-.+", regional("console.amazonaws.cn")},
	{"us-gov-.+", regional("console.amazonaws-us-gov.com")},
	{"eusc-.+", regional("console.amazonaws-eusc.eu")},
}

func regional(host string) string { return "$1." + host + "/access-analyzer/home?region=$1" }

// withConsole adds the label console: the address of Access Analyzer in the AWS console
// for the Region of each series. A link in Grafana cannot depend on the partition.
func withConsole(expr string) string {
	for _, c := range consoles {
		expr = fmt.Sprintf(`label_replace(%s, "console", "%s", "region", "(%s)")`, expr, c.address, c.region)
	}
	return expr
}

// Pages of Access Analyzer in the AWS console.
const (
	analyzersPage = "/analyzers"
	findingsPage  = "/findings"
)

// regionColumn shows the Region and links to a page of Access Analyzer there and to
// the account on the exporter's page. It needs the columns account_id and console.
func regionColumn(page string) column {
	return column{"region", "Region", append(wide(125), set("links", []any{consoleLink(page), pageLink}))}
}

// consoleLink opens the AWS console in the account that the reader is signed in to.
func consoleLink(page string) map[string]any {
	return map[string]any{
		"title":       "AWS console",
		"url":         "https://${__data.fields.console}#" + page,
		"targetBlank": true,
	}
}

// pageLink opens the exporter's page for an account.
var pageLink = map[string]any{
	"title":       "Exporter page",
	"url":         "${page}/?account=${__data.fields.account_id}#map",
	"targetBlank": true,
}
