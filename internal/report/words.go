package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// remedy is the remedy of a failure in one of the accounts.
func (s *Summary) remedy(f *inventory.Failure) remedy.Remedy {
	return remedy.Of(f, s.byID[f.AccountID], s.setting)
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
		fmt.Fprintf(&b, "%s%s: %s, %s.", Printable(f.Operation), s.at(f.AccountID, f.Region), f.Reason, s.remedy(f).Meaning)
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
// AWS are below it. maxMessage is that of an error message.
const maxText, maxMessage = 300, 700

// Printable replaces control characters in names that come from AWS. They, and
// characters that change the direction of text, could otherwise falsify a page.
func Printable(s string) string { return printable(s, maxText) }

func printable(s string, most int) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n > most:
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
	if s == "" {
		return ""
	}
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
