package property

import (
	"slices"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// settings are the values of a configuration file, by section and key.
type settings map[string]map[string]any

func (s settings) set(section, key string, value any) {
	if s[section] == nil {
		s[section] = map[string]any{}
	}
	s[section][key] = value
}

func (s settings) clone() settings {
	c := settings{}
	for section, keys := range s {
		for key, value := range keys {
			c.set(section, key, value)
		}
	}
	return c
}

// without is a copy that leaves a key at its default.
func (s settings) without(section, key string) settings {
	c := s.clone()
	if delete(c[section], key); len(c[section]) == 0 {
		delete(c, section)
	}
	return c
}

// pace are the settings that all draws share: each sweep reads accounts,
// analyzers, findings and roles that failed again. They are no part of a draw,
// so that shrinking does not remove them.
var pace = settings{
	"sweep":    {"interval": "4m", "timeout": "2m", "concurrency": 4},
	"accounts": {"refresh": "1m"},
	"findings": {"interval": "1m"},
}

// text is the file. stale_after is the only key outside of a section.
func (s settings) text() string {
	whole := pace.clone()
	for section, keys := range s {
		for key, value := range keys {
			whole.set(section, key, value)
		}
	}
	file := map[string]any{}
	for section, keys := range whole {
		file[section] = keys
	}
	if stale, ok := s["stale_after"]; ok {
		file["stale_after"] = stale[""]
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		panic(err) // maps, lists and strings can be encoded
	}
	return string(text)
}

// parse parses the file, which is always valid.
func (s settings) parse() (*config.Config, error) {
	return config.Parse("config.yaml", []byte(s.text()))
}

// configure draws a configuration that fits a world. It also returns the
// accounts that can hold ACTIVE organization analyzers: a configured list of
// organization_admins is always correct, because the exporter relies on it.
func (d *drawing) configure(w world) (s settings, holders []string) {
	s = settings{}
	organization := w.home.Organization != nil && !d.percent(25)
	if organization {
		s.set("accounts", "discovery", "organization")
	}
	role := ""
	if d.percent(85) {
		role = pick(d, roleName, roleName, roleName, "security/"+roleName)
		s.set("assume_role", "name", role)
	}
	if d.externalID != "" {
		s.set("assume_role", "external_id", d.externalID)
	}
	if d.percent(50) {
		s.set("stale_after", "", "0s")
	}
	d.require(s, organization && role == "")
	static := d.static(s, w, organization, role)
	d.filter(s, w, static)
	d.exempt(s, w)
	d.count(s)
	d.labels.configureLabels(s, organization)
	return s, d.administrators(s, w)
}

func (d *drawing) require(s settings, blind bool) {
	asked := map[string]int{"external": 85, "unused": 50, "internal": 40}
	for _, access := range []string{"external", "unused", "internal"} {
		scopes := pick(d, []string{"account", "organization"}, []string{"organization", "account"}, []string{"account"}, []string{"organization"})
		required := d.percent(asked[access])
		if blind && required {
			scopes = []string{"organization"}
		}
		s.set("coverage", access, map[string]any{"required": required, "scopes": scopes})
	}
}

// static names accounts that the discovery does not find, and some that it does.
func (d *drawing) static(s settings, w world, organization bool, role string) []string {
	var list []map[string]any
	var ids []string
	for _, a := range w.accounts() {
		part, _ := w.of(a.ID)
		found := a.ID == hub || organization && part == w.home && !a.Standalone
		if !inUse(a) || a.ID == hub && !d.percent(3) || found && !d.percent(10) || !d.percent(75) {
			continue
		}
		entry := map[string]any{"id": a.ID}
		if d.percent(50) {
			entry["name"] = "static " + a.ID[:2]
		}
		if role == "" || d.percent(30) {
			entry["role_arn"] = "arn:aws:iam::" + a.ID + ":role/" + roleName
		}
		list, ids = append(list, entry), append(ids, a.ID)
	}
	if len(list) > 0 {
		s.set("accounts", "static", list)
	}
	return ids
}

func (d *drawing) filter(s settings, w world, static []string) {
	var ids, regions []string
	for _, a := range w.accounts() {
		ids = append(ids, a.ID)
	}
	for _, r := range d.regions {
		regions = append(regions, r.Name)
	}
	if d.percent(12) {
		if include := some(d, 60, ids); len(include) > 0 {
			s.set("accounts", "include", include)
			ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(include, id) })
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(static, id) })
	if d.percent(12) {
		s.set("accounts", "exclude", some(d, 30, ids))
	}
	if s["coverage"]["unused"].(map[string]any)["required"] == true {
		return // a filter of Regions contradicts it
	}
	if d.percent(15) {
		if include := some(d, 60, regions); len(include) > 0 {
			s.set("regions", "include", include)
			regions = slices.DeleteFunc(regions, func(r string) bool { return slices.Contains(include, r) })
		}
	}
	if d.percent(15) {
		s.set("regions", "exclude", some(d, 30, regions))
	}
}

func (d *drawing) exempt(s settings, w world) {
	var list []map[string]any
	seen := map[[3]string]bool{}
	for range max(0, d.number(0, 4)-1) {
		account, region, access := "*", "*", pick(d, "*", "external", "unused", "internal")
		if d.percent(70) {
			account = pick(d, w.accounts()...).ID
		}
		if d.percent(60) {
			region = pick(d, d.regions...).Name
			if access == "unused" || access == "*" && d.percent(30) {
				region = inventory.Global
			}
		}
		key := [3]string{account, region, access}
		if seen[key] {
			continue
		}
		seen[key] = true
		entry := map[string]any{"account": account, "region": region, "access": access, "reason": pick(d, "sandbox", "no workloads", `"so" it\is`)}
		if d.percent(60) {
			entry["until"] = start.Add(time.Duration(d.IntN(96)-48)*time.Hour + 30*time.Minute)
		}
		list = append(list, entry)
	}
	if len(list) > 0 {
		s.set("coverage", "exemptions", list)
	}
}

// shortFullInterval makes every count a full one.
const shortFullInterval = "1m"

func (d *drawing) count(s settings) {
	if d.percent(50) {
		s.set("findings", "enabled", false)
		return
	}
	if d.percent(50) {
		s.set("findings", "statuses", pick(d, []string{"ACTIVE"}, []string{"RESOLVED", "ACTIVE"}, []string{"ACTIVE", "ARCHIVED", "RESOLVED"}))
	}
	if d.percent(30) {
		s.set("findings", "resource_type", false)
	}
	if d.percent(70) {
		s.set("findings", "public_resources", d.number(0, 4))
	}
	if d.large = d.percent(40); d.large && d.percent(12) {
		s.set("findings", "full_interval", shortFullInterval)
	}
}

// administrators draws organization_admins. It returns nil when the setting is
// left at its default.
func (d *drawing) administrators(s settings, w world) []string {
	if !d.percent(20) {
		return nil
	}
	var named []string
	for _, part := range w.parts() {
		named = append(named, some(d, 70, administrators(part))...)
	}
	if d.percent(20) {
		if a := pick(d, w.accounts()...); !slices.Contains(named, a.ID) {
			named = append(named, a.ID)
		}
	}
	if len(named) == 0 {
		return nil
	}
	s.set("accounts", "organization_admins", named)
	return named
}

func accesses(c *config.Config) map[inventory.Access]config.Access {
	return map[inventory.Access]config.Access{
		inventory.External: c.Coverage.External, inventory.Unused: c.Coverage.Unused, inventory.Internal: c.Coverage.Internal,
	}
}

func TestDrawnConfigurationsAreAccepted(t *testing.T) {
	for draw := range uint64(500) {
		s := newScenario(1, draw)
		if _, err := s.settings.parse(); err != nil {
			t.Fatalf("draw %d: %v\n%s", draw, err, s.settings.text())
		}
	}
}

// The property is only tested with worlds that have every type and status of
// analyzer, and every kind of fault.
func TestDrawnWorldsAreVaried(t *testing.T) {
	seen := map[string]int{}
	for draw := range uint64(500) {
		for _, step := range newScenario(1, draw).steps {
			for _, a := range step.world.analyzers() {
				seen[a.Type+" "+a.Status]++
				seen[string(a.RawConfiguration)]++
			}
			for _, f := range step.faults {
				seen[string(f.kind)]++
			}
		}
	}
	for _, kind := range []string{"ACCOUNT", "ORGANIZATION"} {
		for _, access := range []string{"", "_UNUSED_ACCESS", "_INTERNAL_ACCESS"} {
			for _, status := range []string{"ACTIVE", "CREATING", "DISABLED", "FAILED", "UNHEARD_OF"} {
				if seen[kind+access+" "+status] == 0 {
					t.Errorf("there is no %s%s analyzer that is %s", kind, access, status)
				}
			}
		}
	}
	for _, kind := range []string{
		"ACCOUNT_UNHEARD_OF_ACCESS ACTIVE", "ORGANIZATION_UNHEARD_OF_ACCESS ACTIVE", "UNHEARD_OF ACTIVE", `{}`, `null`, `{"unheardOf":{}}`,
	} {
		if seen[kind] == 0 {
			t.Errorf("there is no analyzer with %s", kind)
		}
	}
	for _, kind := range simaws.FaultKinds {
		if seen[string(kind)] == 0 && kind != simaws.Timeout {
			t.Errorf("nothing is ever %s", kind)
		}
	}
}
