package collector

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// markup replaces what starts links, mentions and formatting in Slack, Markdown
// and HTML by the full-width form of its first character, which looks alike.
var markup = strings.NewReplacer("<", "＜", ">", "＞", "](", "］(", "://", "：//", "@", "＠", "*", "＊", "`", "｀", "~", "～")

// inert returns a name that Alertmanager's receivers show as text. The owner of an
// account chooses its name and those of its resources, and alerts have them in
// their annotations, which the Slack receiver, among others, does not escape. Characters that are common in
// names and cannot hide the target of a link stay, such as "_", "[" and ".".
func inert(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, markup.Replace(name))
}

// domain matches a dot that may belong to the name of a host.
var domain = regexp.MustCompile(`([\pL\pN])\.(\pL\pL)`)

// withoutDomains replaces the dots in what looks like the name of a host by their
// full-width form. Mail and chat clients make links of such names, which is what the
// owner of an account called evil.example wants. Names of resources keep their dots:
// many buckets are named after a domain, and their ARNs are copied into commands.
func withoutDomains(name string) string {
	return domain.ReplaceAllString(name, "$1．$2")
}

// maxLabel is in bytes. It is longer than every ARN of a resource that Access
// Analyzer supports, and shorter than the limits of Mimir and Amazon Managed Service
// for Prometheus, which reject longer values.
const maxLabel = 1024

// bounded cuts off a value that is too long.
func bounded(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxLabel {
		return s
	}
	const cut = "…"
	end := maxLabel - len(cut)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + cut
}
