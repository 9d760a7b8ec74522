package property

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// labelActions are the actions that only labels of accounts require.
var labelActions = []string{"organizations:ListTagsForResource", "organizations:DescribeOrganizationalUnit"}

// tagKeys are the keys that accounts have, hostileText values of tags and names
// of OUs.
var (
	tagKeys     = []string{"team", "CostCenter", "environment", "unused key"}
	hostileText = []string{
		"shop", "payments", "shop", `"quoted" and \`, "two\nlines", "{{ .Labels }}", "<!channel> *x* @here", "", " ", "\xff\xfe", "zoë 環境 💥", strings.Repeat("long é", 100), "} 1\n# EOF",
	}
	ouIDs = []string{"ou-exam-00000001", "ou-exam-00000002", "ou-exam-00000003"}
)

func (d *drawing) tags() map[string]string {
	tags := map[string]string{}
	for _, key := range some(d, 60, tagKeys) {
		tags[key] = pick(d, hostileText...)
	}
	return tags
}

// ous are the root and OUs below it, at times none.
func (d *drawing) ous() []string {
	if d.percent(20) {
		return nil
	}
	return append([]string{"r-exam"}, some(d, 40, ouIDs)...)
}

// relabel changes tags, moves an account, or renames an OU.
func (d *drawing) relabel(w *simaws.World) {
	a := w.Accounts[d.IntN(len(w.Accounts))]
	switch d.IntN(4) {
	case 0:
		a.Tags = d.tags()
	case 1:
		a.OUs = d.ous()
	case 2:
		if org := w.Organization; org != nil {
			if org.OUNames == nil {
				org.OUNames = map[string]string{}
			}
			org.OUNames[pick(d, ouIDs...)] = pick(d, "Workloads", "Prod\n\"uction\"", strings.Repeat("x", 128))
		}
	}
}

// configureLabels draws accounts.labels and accounts.static[].labels.
func (d *drawing) configureLabels(s settings, organization bool) {
	if organization && d.percent(60) {
		s.set("accounts", "labels", map[string]any{"ou": d.percent(60), "tags": some(d, 60, tagKeys[:3])})
	}
	list, _ := s["accounts"]["static"].([]map[string]any)
	for _, entry := range list {
		if d.percent(40) {
			entry["labels"] = map[string]string{pick(d, "team", "owner"): pick(d, "static", `"{{ }}"`, "")}
		}
	}
}

// worlds are those whose tags and names of OUs may be published at step n: they
// are read again after hours.
func (s *scenario) worlds(n int) []world {
	all := slices.Clone(s.earlier)
	for _, step := range s.steps[:n+1] {
		all = append(all, step.world)
	}
	return all
}

// labelNames are the names of labels and their keys.
func labelNames(c *config.Config) map[string]string {
	names := map[string]string{"team": "label_team", "CostCenter": "label_cost_center", "environment": "label_environment", "owner": "label_owner"}
	wanted := map[string]string{}
	for _, key := range c.Accounts.Labels.Tags {
		wanted[names[key]] = key
	}
	for _, static := range c.Accounts.Static {
		for key := range static.Labels {
			wanted[names[key]] = key
		}
	}
	return wanted
}

// checkLabels checks the labels of accounts: each is right in one of the worlds or,
// if it has to be complete, present.
func (k *checker) checkLabels(worlds []world, complete bool) {
	c := k.oracle.config
	names := labelNames(c)
	for id, got := range k.after.labels {
		known := slices.ContainsFunc(worlds, func(w world) bool { _, a := w.of(id); return a != nil })
		if !known {
			k.fail("account %s has the labels %q, and does not exist", id, got)
		}
		for name := range got {
			if _, ok := names[name]; !ok && !(c.Accounts.Labels.OU && (name == "ou_path" || name == "ou_name")) {
				k.fail("account %s has the label %s, which is not configured", id, name)
			}
		}
		for name, value := range tagLabels(got) {
			if !slices.ContainsFunc(worlds, func(w world) bool { return tagsIn(c, names, w, id)[name] == value }) && !mayBeMissed(worlds, id, value) {
				k.fail("account %s has the labels %q, and never had this %s", id, got, name)
			}
		}
		if c.Accounts.Labels.OU && !k.rightOU(worlds, id, got) {
			k.fail("account %s has ou_path %q and ou_name %q, and is not in such an OU", id, got["ou_path"], got["ou_name"])
		}
	}
	if !complete || len(names) == 0 && !c.Accounts.Labels.OU || !k.oracle.listed() ||
		len(c.Accounts.Labels.Tags) > 0 && !k.oracle.hubMay(labelActions[0]) || c.Accounts.Labels.OU && !k.oracle.hubMay(labelActions[1]) {
		return
	}
	for _, a := range k.oracle.inScope() {
		if k.after.labels[a.ID] == nil {
			k.fail("account %s has no labels, and can be read", a.ID)
		}
	}
}

// tagLabels are the labels for tags.
func tagLabels(all map[string]string) map[string]string {
	labels := maps.Clone(all)
	delete(labels, "ou_path")
	delete(labels, "ou_name")
	return labels
}

// mayBeMissed reports whether a tag may be missing because the tags changed between two
// pages. AWS returns no consistent list then, and the exporter cannot see it.
func mayBeMissed(worlds []world, id, value string) bool {
	changed := func(w world) bool {
		_, first := worlds[0].of(id)
		_, a := w.of(id)
		return first == nil || a == nil || !maps.Equal(first.Tags, a.Tags)
	}
	return value == "" && slices.ContainsFunc(worlds, func(w world) bool { return w.home.PageSizes["ListTagsForResource"] > 0 }) && slices.ContainsFunc(worlds, changed)
}

// member returns an account that the hub account's organization has. Of one that is
// closed, which accounts.static may name, nothing is read. Without states, AWS returns one
// in an unknown state as SUSPENDED.
func member(c *config.Config, w world, id string) *simaws.Account {
	part, a := w.of(id)
	if a == nil || part != w.home || part.Organization == nil || a.Standalone || !inUse(a) && (!inUnknownState(a) || part.Quirks.NoAccountState) || c.Accounts.Discovery != config.DiscoveryOrganization {
		return nil
	}
	return a
}

// tagsIn are the labels that an account has for its tags in a world.
func tagsIn(c *config.Config, names map[string]string, w world, id string) map[string]string {
	labels := map[string]string{}
	for name, key := range names {
		if a := member(c, w, id); a != nil && slices.Contains(c.Accounts.Labels.Tags, key) {
			labels[name] = shown(a.Tags[key])
		} else {
			labels[name] = ""
		}
		for _, static := range c.Accounts.Static {
			if value, ok := static.Labels[key]; ok && static.ID == id {
				labels[name] = value
			}
		}
	}
	return labels
}

// shown is a value in 256 characters of UTF-8.
func shown(s string) string {
	r := []rune(s) // replaces what is not UTF-8
	return string(r[:min(len(r), 256)])
}

// rightOU reports whether a path is one of the window, and a name one of any world.
func (k *checker) rightOU(worlds []world, id string, got map[string]string) bool {
	inPath := func(o oracle) bool {
		a := member(o.config, o.world, id)
		if a == nil {
			return got["ou_path"] == "" && got["ou_name"] == ""
		}
		path := strings.TrimSuffix(a.Path(o.world.home.Organization), a.ID+"/")
		return got["ou_path"] == path
	}
	named := func(w world) bool {
		path := strings.TrimSuffix(got["ou_path"], "/")
		last := path[strings.LastIndex(path, "/")+1:]
		return last == "" || strings.HasPrefix(last, "r-") && got["ou_name"] == "Root" || w.home.OUName(last) != "" && got["ou_name"] == shown(w.home.OUName(last))
	}
	return slices.ContainsFunc(k.window, inPath) && slices.ContainsFunc(worlds, named)
}

// The property is only tested with labels that are read, and with hostile ones.
func TestDrawnLabelsAreVaried(t *testing.T) {
	seen := map[string]int{}
	for draw := range uint64(300) {
		s := newScenario(1, draw)
		c, err := s.settings.parse()
		if err != nil {
			t.Fatalf("draw %d: %v\n%s", draw, err, s.settings.text())
		}
		if c.Accounts.Labels.OU {
			seen["ou"]++
		}
		if len(c.Accounts.Labels.Tags) > 0 {
			seen["tags"]++
		}
		for _, static := range c.Accounts.Static {
			seen["static"] += len(static.Labels)
		}
		for i, step := range s.steps {
			for _, f := range step.faults {
				seen[f.operation]++
			}
			for _, a := range step.world.accounts() {
				for _, value := range a.Tags {
					seen[value]++
				}
				if _, before := s.steps[max(i-1, 0)].world.of(a.ID); before != nil && !maps.Equal(before.Tags, a.Tags) {
					seen["changed"]++
				}
			}
		}
	}
	for _, kind := range append([]string{"ou", "tags", "static", "changed", "ListTagsForResource", "DescribeOrganizationalUnit"}, hostileText...) {
		if seen[kind] == 0 {
			t.Errorf("there is no %q", kind)
		}
	}
}
