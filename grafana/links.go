package main

import (
	"fmt"
	"strings"
)

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

// page is a page of Access Analyzer in the AWS console.
type page struct {
	path string
	// ownerOnly filters findings by the account of the resource.
	ownerOnly bool
	// account is the column with the account whose console has the page.
	account string
}

var (
	analyzersPage = page{"/analyzers", false, "account_id"}
	findingsPage  = page{"/findings", false, "account_id"}
	// ownerPage has findings about an account, which can be those of another account's
	// analyzer.
	ownerPage = page{"/findings", true, "analyzer_account_id"}
)

// regionColumn shows the Region and links to a page of Access Analyzer there and to
// the account on the exporter's page. It needs the columns account_id and console, and
// that of the page's account.
func regionColumn(p page) column {
	return column{"region", "Region", append(wide(125), set("links", []any{
		map[string]any{"title": "AWS console", "url": p.url(), "targetBlank": true}, pageLink,
	}))}
}

// url opens the page in the account that the reader is signed in to.
func (p page) url() string {
	url := "https://" + field("console") + "#" + p.path
	if p.ownerOnly {
		url += "?resourceOwnerAccount=" + field("account_id")
	}
	return url
}

// field is a value of the row, or of its account, that a link can have.
func field(name string) string { return "${__data.fields." + name + "}" }

// portalLink is how the mixin and the chart replace a link to the console if there is an
// access portal: by its template with these values, of which the destination is the
// link, percent-encoded.
type portalLink struct {
	URL         string `json:"url"`
	AccountID   string `json:"account_id"`
	Region      string `json:"region"`
	Destination string `json:"destination"`
}

// portalLinks are all links to the console.
func portalLinks() []portalLink {
	encode := strings.NewReplacer(field("console"), "${__data.fields.console:percentencode}", field("account_id"), field("account_id"),
		":", "%3A", "/", "%2F", "#", "%23", "?", "%3F", "=", "%3D")
	var links []portalLink
	for _, p := range []page{analyzersPage, findingsPage, ownerPage} {
		links = append(links, portalLink{p.url(), field(p.account), field("region"), encode.Replace(p.url())})
	}
	return links
}

// pageLink opens the exporter's page for an account.
var pageLink = map[string]any{
	"title":       "Exporter page",
	"url":         "${page}/?account=${__data.fields.account_id}#map",
	"targetBlank": true,
}
