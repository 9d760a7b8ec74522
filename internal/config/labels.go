package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxLabels is the number of tags that AWS allows for an account, maxTagKey and
	// maxLabelValue the lengths of a tag in characters.
	// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_tagging.html
	maxLabels     = 50
	maxTagKey     = 128
	maxLabelValue = 256
)

var (
	tagKeys       = pattern("the key of a tag", fmt.Sprintf(`[\p{L}\p{Z}\p{N}_.:/=+@-]{1,%d}`, maxTagKey), fmt.Sprintf("write 1 to %d letters, digits, spaces or any of _.:/=+@-", maxTagKey))
	notInLabel    = regexp.MustCompile(`[^a-zA-Z0-9_]`)
	lowerAndUpper = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// LabelName returns the name of the label for a tag: label_ and the key in snake
// case, with an underscore for each character that is not valid in a label name.
// kube-state-metrics names the labels of Kubernetes objects in the same way.
func LabelName(key string) string {
	name := notInLabel.ReplaceAllString(key, "_")
	return "label_" + strings.ToLower(lowerAndUpper.ReplaceAllString(name, "${1}_${2}"))
}

// LabelKeys returns the keys of the labels that accounts have: the tags, and those
// that only accounts.static sets, sorted.
func (a Accounts) LabelKeys() []string {
	keys, added := slices.Clone(a.Labels.Tags), map[string]bool{}
	for _, s := range a.Static {
		for key := range s.Labels {
			added[key] = !slices.Contains(keys, key)
		}
	}
	maps.DeleteFunc(added, func(_ string, add bool) bool { return !add })
	return append(keys, slices.Sorted(maps.Keys(added))...)
}

// AlertLabels returns the labels of accounts that alerts have: those of
// rules.account_labels or, without any, all but the path of the OU.
func (c *Config) AlertLabels() []string {
	if len(c.Rules.AccountLabels) > 0 {
		return c.Rules.AccountLabels
	}
	var names []string
	if c.Accounts.Labels.OU {
		names = append(names, "ou_name")
	}
	for _, key := range c.Accounts.LabelKeys() {
		names = append(names, LabelName(key))
	}
	return names
}

// checkLabels rejects what cannot be read from AWS Organizations, and labels that
// have the same name or are too long.
func (d *document) checkLabels(a Accounts) {
	d.checkList("accounts.labels.tags", a.Labels.Tags, tagKeys)
	if a.Discovery == DiscoveryNone && d.valid("accounts.discovery") {
		const remedy = "set accounts.discovery: organization, or write the labels in accounts.static[].labels"
		if a.Labels.OU {
			d.rejectOnce("accounts.labels.ou", "is true without accounts.discovery: organization, which lists the OU of each account; "+remedy)
		}
		if len(a.Labels.Tags) > 0 {
			d.rejectOnce("accounts.labels.tags", "has tags without accounts.discovery: organization, which lists the accounts to read them of; "+remedy)
		}
	}
	if n := len(a.LabelKeys()); n > maxLabels {
		d.rejectOnce("accounts.labels", "amount to %d labels with those of accounts.static; write at most %d", n, maxLabels)
	}
	names := map[string]string{} // keys by the names of their labels
	for i, key := range a.Labels.Tags {
		d.checkLabelName(fmt.Sprintf("accounts.labels.tags[%d]", i), key, names)
	}
	for i, s := range a.Static {
		for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
			at := pair(fmt.Sprintf("accounts.static[%d].labels", i), key)
			d.checkValue(at, key, tagKeys)
			if n := utf8.RuneCountInString(s.Labels[key]); n > maxLabelValue {
				d.rejectOnce(at, "has %d characters; write at most %d", n, maxLabelValue)
			}
			d.checkLabelName(at, key, names)
		}
	}
}

// checkLabelName rejects a second key with the same name.
func (d *document) checkLabelName(at, key string, names map[string]string) {
	name := LabelName(key)
	if other, ok := names[name]; ok && other != key {
		d.rejectOnce(at, "%q would be the label %s, as is %q; remove one of them", shorten(key), shorten(name), shorten(other))
		return
	}
	names[name] = key
}
