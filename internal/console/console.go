// Package console builds links into the AWS console.
//
// AWS documents none of these addresses. The findings that Access Analyzer sends to
// Security Hub have those of findings (SourceUrl), with the same form of filter.
package console

import (
	"net/url"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

// Links builds links. The zero value links to the console itself, where a link
// opens in the account that the user is signed in to.
type Links struct {
	// StartURL is the AWS access portal of IAM Identity Center, which signs in to
	// the account before it opens the page. Empty: no portal.
	StartURL string
	// Role is the permission set for it. Empty: the portal asks.
	Role string
	// Template replaces both. Placeholders are the names in [Placeholders].
	Template string
}

// Placeholders are what a template can have, in braces. destination is the address
// of the page in the console; all values are percent-encoded.
var Placeholders = []string{"account_id", "region", "destination"}

// Destination is the placeholder that a template needs.
const Destination = "{destination}"

// Analyzers links to the analyzers of an account in a Region.
func (l Links) Analyzers(accountID, region string) string {
	return l.link(accountID, region, "/analyzers")
}

// Analyzer links to an analyzer.
func (l Links) Analyzer(a *inventory.Analyzer) string {
	return l.link(a.AccountID, a.Region, "/analyzer/"+url.PathEscape(a.Name))
}

// Findings links to the findings of an analyzer about an account.
func (l Links) Findings(a *inventory.Analyzer, accountID string) string {
	page := "/findings"
	if a.Access() == inventory.Unused {
		page = "/unused-access-findings"
	}
	if a.AccountID != accountID {
		page += "?resourceOwnerAccount=" + url.QueryEscape(accountID)
	}
	return l.link(a.AccountID, a.Region, page)
}

// link returns the link to a page of Access Analyzer; "" if the console of the
// Region's partition is not on the internet, or if the name of the Region would lead
// to another host.
func (l Links) link(accountID, region, page string) string {
	domain := partition.ConsoleDomain(partition.Of(region))
	if domain == "" || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	destination := "https://" + region + "." + domain + "/access-analyzer/home?region=" + region + "#" + page
	portal := l.Portal()
	if portal == "" {
		return destination
	}
	return strings.NewReplacer(
		"{account_id}", url.QueryEscape(accountID), "{region}", url.QueryEscape(region), Destination, url.QueryEscape(destination),
	).Replace(portal)
}

// Portal returns the template of links, [Links.Template] or that of a shortcut link of
// the AWS access portal. "" if links lead to the console itself.
// https://docs.aws.amazon.com/singlesignon/latest/userguide/createshortcutlink.html
func (l Links) Portal() string {
	if l.Template != "" || l.StartURL == "" {
		return l.Template
	}
	link := strings.TrimSuffix(l.StartURL, "/") + "/#/console?account_id={account_id}"
	if l.Role != "" {
		link += "&role_name=" + url.QueryEscape(l.Role)
	}
	return link + "&destination=" + Destination
}
