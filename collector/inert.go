package collector

import (
	"strings"
	"unicode"
)

// markup replaces what starts links, mentions and formatting in Slack, Markdown
// and HTML by the full-width form of its first character, which looks alike.
var markup = strings.NewReplacer("<", "＜", ">", "＞", "](", "］(", "://", "：//", "@", "＠", "*", "＊", "`", "｀", "~", "～")

// inert returns a name that Alertmanager's receivers show as text. The owner of an
// account chooses its name, and alerts have it in their annotations, which the
// Slack receiver, among others, does not escape. Characters that are common in
// names and cannot hide the target of a link stay, such as "_", "[" and ".".
func inert(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, markup.Replace(name))
}
