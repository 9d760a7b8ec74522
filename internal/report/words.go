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

// explanation is what a reason of failure means, what to do about it and, where
// one can be run, the command.
type explanation struct {
	meaning, advice, command string
}

// explanations are our own words for each reason. AWS' are not shown: they may
// hold ARNs and authorization IDs, and /metrics has none of them either.
var explanations = map[inventory.Reason]explanation{
	inventory.AccessDenied: {
		"the exporter's role lacks the permission",
		"Give the role what the configuration needs. This prints the policies (add the --config.file in use):",
		"access-analyzer-exporter iam-policy",
	},
	inventory.SCPDenied: {
		"a service control policy forbids the call",
		"Let the exporter's role through the guardrail; or leave the Region out (regions.exclude); or exempt it (coverage.exemptions) if nothing can exist there.",
		"",
	},
	inventory.AssumeRoleDenied: {
		"the role in the account could not be assumed",
		"The role is missing, its trust policy refuses, or the external ID differs. This prints the role's policies (add the --config.file in use):",
		"access-analyzer-exporter iam-policy",
	},
	inventory.Credentials: {
		"the exporter's credentials are missing, invalid or expired",
		"Give the exporter credentials that AWS accepts. In its environment this must answer:",
		"aws sts get-caller-identity",
	},
	inventory.RegionDisabled: {
		"the Region is not enabled for the account",
		"Enable the Region for the account, or leave it out (regions.exclude).",
		"",
	},
	inventory.RegionUnsupported: {
		"AWS has no Access Analyzer endpoint in the Region, or its name cannot be resolved from here",
		"Leave the Region out (regions.exclude), or check the exporter's DNS if the Region has the service.",
		"",
	},
	inventory.Throttled: {
		"AWS turned the call away because of its rate",
		"It is tried again in the next sweep. If it stays: lower sweep.concurrency, or lengthen the interval.",
		"",
	},
	inventory.Timeout: {
		"no answer came in time",
		"It is tried again in the next sweep. If it stays: look at the way to AWS, or raise sweep.timeout.",
		"",
	},
	inventory.Network: {
		"AWS could not be reached",
		"Check the exporter's DNS, proxy, routes and VPC endpoints to that service and Region.",
		"",
	},
	inventory.ServiceError: {
		"AWS answered with an error of its own",
		"It is tried again in the next sweep. If it stays, AWS Health may know of it.",
		"",
	},
	inventory.MalformedResponse: {
		"the answer could not be understood",
		"Something between the exporter and AWS, such as a proxy, may be answering in its place.",
		"",
	},
	inventory.Other: {
		"the call failed in a way that has no class of its own",
		"The exporter's log has what AWS said.",
		"",
	},
}

// explainFailure gives a failure its words. Reason Other also stands for what
// was never asked; that is told from where it points to.
func (s *Summary) explainFailure(f *inventory.Failure) explanation {
	if f.Reason != inventory.Other {
		return explanations[f.Reason]
	}
	account := s.byID[f.AccountID]
	switch {
	case f.Operation == "GetAnalyzer":
		return explanation{
			"what the analyzer includes and excludes is not known, or its configuration does not tell",
			"Let the exporter's role call access-analyzer:GetAnalyzer; name accounts in the analyzer's rules where an ARN has none.", "",
		}
	case f.Operation != "ListAnalyzers" || f.AccountID == "":
	case account == nil:
		return explanation{
			"the account may hold organization analyzers and is not read by this exporter",
			"Take the account into scope, or name the accounts that do hold them (accounts.organization_admins).", "",
		}
	case !account.Queried:
		return explanation{
			"the account is not entered",
			"Name the role to assume (assume_role.name), or accept organization analyzers alone (scopes: [organization]).", "",
		}
	default:
		return explanation{
			"analyzers may be there that are not read, or that cannot be attributed to the organization",
			"Take the Region into scope (regions.include, regions.exclude), or name the accounts that hold organization analyzers (accounts.organization_admins).", "",
		}
	}
	return explanations[inventory.Other]
}

// Explain says in words what a verdict rests on.
func (s *Summary) Explain(d inventory.Verdict) string {
	var b strings.Builder
	if d.State != inventory.Unknown {
		b.WriteString(Capital(Printable(strings.TrimPrefix(d.Why(), "exempt: "))) + ".")
	} else if f := d.Failure; f == nil {
		b.WriteString("Not known yet.")
	} else {
		if f.AccountID != d.AccountID && f.AccountID != "" {
			b.WriteString("An analyzer nobody could see may cover it. ")
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

// at says where: " in Payments (123456789012), eu-west-1".
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

// Name calls an account by name and ID.
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

// maxText is how many characters of what somebody else wrote are shown. AWS'
// own limits for names are below it.
const maxText = 300

// Printable makes one line of visible characters of what somebody else named.
// Control characters and those that turn the direction of writing could
// otherwise make a page say what is not so.
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

// Capital writes a sentence's first letter.
func Capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[n:]
}

// listed is how many of a list are named when there are many more.
const listed = 4

// some lists the first words and says how many more there are.
func some(words []string) string {
	if len(words) <= listed+1 { // "and 1 more" would be as long as the one
		return strings.Join(words, ", ")
	}
	return strings.Join(words[:listed], ", ") + " and " + Count(len(words)-listed) + " more"
}

// Plural writes a number of things.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Count writes a whole number with its thousands set apart, by a narrow space
// at which no line breaks.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// Timestamp writes a time in UTC, to the second.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// About writes a duration as people say it.
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
