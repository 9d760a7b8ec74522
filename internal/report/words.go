package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// explanation is the meaning of a reason, what to do about it and, if there is
// one, the command.
type explanation struct {
	meaning, advice, command string
}

// explanations has a text for each reason. Messages of AWS are not shown: they
// may hold ARNs and authorization IDs.
var explanations = map[inventory.Reason]explanation{
	inventory.AccessDenied: {
		"the exporter's role lacks the permission",
		"Grant the permissions that the configuration needs. This prints the policies (add the --config.file in use):",
		"access-analyzer-exporter iam-policy",
	},
	inventory.SCPDenied: {
		"a service control policy (SCP) denies the request",
		"Allow the exporter's role in the SCP, or exclude the Region (regions.exclude). If no resource can exist there, exempt it (coverage.exemptions).",
		"",
	},
	inventory.AssumeRoleDenied: {
		"the role in the account could not be assumed",
		"The role is missing, its trust policy denies access, or the external ID differs. This prints the role's policies (add the --config.file in use):",
		"access-analyzer-exporter iam-policy",
	},
	inventory.Credentials: {
		"the exporter's credentials are missing, invalid or expired",
		"Configure valid credentials. This command must succeed in the exporter's environment:",
		"aws sts get-caller-identity",
	},
	inventory.RegionDisabled: {
		"the Region is not enabled for the account",
		"Enable the Region for the account, or exclude it (regions.exclude).",
		"",
	},
	inventory.RegionUnsupported: {
		"AWS has no Access Analyzer endpoint in the Region, or its name cannot be resolved",
		"Exclude the Region (regions.exclude). If the Region has the service, check the exporter's DNS.",
		"",
	},
	inventory.Throttled: {
		"AWS throttled the request, and all attempts failed",
		"The next sweep retries. If the error persists, lower sweep.concurrency or lengthen sweep.interval.",
		"",
	},
	inventory.Timeout: {
		"AWS did not answer in time",
		"The next sweep retries. If the error persists, check network connectivity to AWS or raise sweep.timeout.",
		"",
	},
	inventory.Network: {
		"AWS could not be reached",
		"Check the exporter's DNS, proxy, routes and VPC endpoints to that service and Region.",
		"",
	},
	inventory.ServiceError: {
		"AWS returned an internal error",
		"The next sweep retries. If the error persists, check AWS Health.",
		"",
	},
	inventory.MalformedResponse: {
		"the response is not valid",
		"Check for a proxy between the exporter and AWS that answers instead of AWS.",
		"",
	},
	inventory.Other: {
		"the request failed with another error",
		"The exporter's log has the error message.",
		"",
	},
}

// explainFailure returns the explanation of a failure. Reason Other also means
// that a list was never requested; its account and operation say why.
func (s *Summary) explainFailure(f *inventory.Failure) explanation {
	if f.Unsupported {
		return explanation{
			"this version of the exporter does not support the type or the configuration of an analyzer that may cover the target",
			"Update the exporter. Until a version supports it, exempt targets that it covers (coverage.exemptions).", "",
		}
	}
	if f.Reason != inventory.Other {
		return explanations[f.Reason]
	}
	account := s.byID[f.AccountID]
	switch {
	case f.Operation == "GetAnalyzer":
		return explanation{
			"the analyzer's inclusions and exclusions are unknown, or its configuration does not define them",
			"Where an inclusion has an ARN without an account, add the account. Divide an exclusion that has accounts and tags into two.", "",
		}
	case f.Operation != "ListAnalyzers" || f.AccountID == "":
	case account == nil:
		return explanation{
			"the account may own organization analyzers and is not in scope",
			"Include the account, or list the accounts that own organization analyzers (accounts.organization_admins).", "",
		}
	case !account.Queried:
		return explanation{
			"the exporter does not assume a role in the account",
			"Set assume_role.name, or accept organization analyzers only (scopes: [organization]).", "",
		}
	default:
		return explanation{
			"the account may own analyzers that are not read or not attributable to the organization",
			"Include the Region (regions.include, regions.exclude), or list the accounts that own organization analyzers (accounts.organization_admins).", "",
		}
	}
	return explanations[inventory.Other]
}

// Explain describes the reason of a verdict in sentences.
func (s *Summary) Explain(d inventory.Verdict) string {
	var b strings.Builder
	if d.State != inventory.Unknown {
		b.WriteString(Capital(Printable(strings.TrimPrefix(d.Why(), "exempt: "))) + ".")
	} else if f := d.Failure; f == nil {
		b.WriteString("Not known yet.")
	} else {
		if f.AccountID != d.AccountID && f.AccountID != "" {
			b.WriteString("An organization analyzer in an account that could not be read may cover it. ")
		}
		fmt.Fprintf(&b, "%s%s: %s, %s.", Printable(f.Operation), s.at(f.AccountID, f.Region), f.Reason, s.explainFailure(f).meaning)
	}
	if t, failed := s.failed[inventory.Target{AccountID: d.AccountID, Region: d.Region}]; failed && d.State != inventory.Unknown {
		b.WriteString(" The last attempt to read it failed")
		if !t.LastSuccess.IsZero() {
			b.WriteString("; it was last read at " + Timestamp(t.LastSuccess))
		}
		b.WriteString(".")
	}
	return b.String()
}

// at is the account and Region of a failure: " in Payments (123456789012), eu-west-1".
func (s *Summary) at(accountID, region string) string {
	var where []string
	if accountID != "" {
		where = append(where, s.Name(accountID))
	}
	if region != "" && region != inventory.Global {
		where = append(where, Printable(region))
	}
	if len(where) == 0 {
		return ""
	}
	return " in " + strings.Join(where, ", ")
}

// Name is the name and ID of an account.
func (s *Summary) Name(accountID string) string {
	if name := s.AccountName(accountID); name != "" {
		return fmt.Sprintf("%s (%s)", name, accountID)
	}
	return accountID
}

// AccountName is the name of an account in scope; empty if there is none.
func (s *Summary) AccountName(accountID string) string {
	if a := s.byID[accountID]; a != nil {
		return Printable(a.Name)
	}
	return ""
}

// maxText is the maximum number of characters that are shown of a name. Limits of
// AWS are below it.
const maxText = 300

// Printable replaces control characters in names that come from AWS. They, and
// characters that change the direction of text, could otherwise falsify a page.
func Printable(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n > maxText:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// Capital capitalizes the first letter.
func Capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[n:]
}

// listed is the number of items that a shortened list has.
const listed = 4

// some joins a list; of a long one the first items and the number of others.
func some(words []string) string {
	if len(words) <= listed+1 { // "and 1 more" would be as long as the one
		return strings.Join(words, ", ")
	}
	return strings.Join(words[:listed], ", ") + " and " + Count(len(words)-listed) + " more"
}

// Plural formats a number with its noun.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Count formats a whole number with thousands separators: 1,033.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Timestamp formats a time in UTC, to the second.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// About formats a duration in its largest unit.
func About(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return Plural(int(d.Hours()/24), "day", "days")
}
