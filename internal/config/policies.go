package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Policies selects the policies to validate, and how often.
type Policies struct {
	Enabled      bool           `yaml:"enabled"`
	Types        []string       `yaml:"types"` // never empty
	Interval     model.Duration `yaml:"interval"`
	FullInterval model.Duration `yaml:"full_interval"` // at least Interval
	Checks       []PolicyCheck  `yaml:"checks"`
	ChecksPerDay int            `yaml:"checks_per_day"` // positive where there are Checks
}

// PolicyCheck is a check of managed and inline policies. It has either actions or a
// reference.
type PolicyCheck struct {
	Name             string   `yaml:"name"`
	AccessNotGranted []string `yaml:"access_not_granted"`
	NoNewAccess      string   `yaml:"no_new_access"` // path, or a policy
	// Reference is the policy that NoNewAccess is, or that is in its file; Load reads it.
	Reference string `yaml:"-"`
}

const (
	shortestPolicies = model.Duration(time.Minute)
	// maxChecks and maxChecksPerDay bound the number of series and the price.
	maxChecks       = 20
	maxChecksPerDay = 1_000_000
	// maxActions is the maximum of CheckAccessNotGranted.
	// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_Access.html
	maxActions = 100
)

var (
	policyTypes   = oneOf("a type of policies", "managed", "inline", "trust", "service_control", "resource_control")
	notChecked    = []string{"trust", "service_control", "resource_control"}
	checkNames    = pattern("the name of a check", `[\w.-]{1,64}`, "write 1 to 64 letters, digits or any of _.-")
	policyActions = pattern("an action", `[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+`, "write it as in a policy, such as iam:PassRole or s3:Delete*")
)

func (d *document) checkPolicies(p Policies) {
	d.checkList("policies.types", p.Types, policyTypes)
	if len(p.Types) == 0 {
		d.rejectOnce("policies.types", "is empty; %s, or set policies.enabled: false", policyTypes.remedy(""))
	}
	d.checkDuration("policies.interval", p.Interval, shortestPolicies)
	d.checkDuration("policies.full_interval", p.FullInterval, shortestPolicies)
	if d.valid("policies.interval", "policies.full_interval") && p.FullInterval < p.Interval {
		if d.isSet("policies.full_interval") {
			d.rejectOnce("policies.full_interval", "%s is shorter than policies.interval; write at least %s", p.FullInterval, p.Interval)
		} else {
			d.rejectOnce("policies.interval", "%s is longer than the default of policies.full_interval, %s; set that to at least %s", p.Interval, p.FullInterval, p.Interval)
		}
	}
	d.checkChecks(p)
}

func (d *document) checkChecks(p Policies) {
	if len(p.Checks) > maxChecks {
		d.rejectOnce("policies.checks", "has %d checks; write at most %d", len(p.Checks), maxChecks)
	}
	names := make([]string, len(p.Checks))
	for i, c := range p.Checks {
		names[i] = c.Name
		d.checkCheck(fmt.Sprintf("policies.checks[%d]", i), c)
	}
	d.checkUnique("policies.checks", ".name", names)
	if len(p.Checks) > 0 && len(p.Types) > 0 && !slices.ContainsFunc(p.Types, func(t string) bool { return !slices.Contains(notChecked, t) }) {
		d.rejectOnce("policies.checks", "has no effect, because checks are of managed and inline policies and policies.types has neither; add one of them to policies.types, or remove the checks")
	}
	switch n := p.ChecksPerDay; {
	case n < 0 || n > maxChecksPerDay:
		d.rejectOnce("policies.checks_per_day", "%d is out of bounds; write 1 to %d", n, maxChecksPerDay)
	case n == 0 && len(p.Checks) > 0:
		d.rejectOnce("policies.checks_per_day", "is missing; write the number of calls that AWS may bill in 24 hours")
	case n > 0 && len(p.Checks) == 0:
		d.rejectOnce("policies.checks_per_day", "has no effect without policies.checks; add checks, or remove it")
	}
}

func (d *document) checkCheck(key string, c PolicyCheck) {
	d.checkValue(key+".name", c.Name, checkNames)
	switch {
	case c.NoNewAccess == "" && len(c.AccessNotGranted) == 0:
		d.rejectOnce(key, "has neither access_not_granted nor no_new_access; write one of them")
	case c.NoNewAccess != "" && len(c.AccessNotGranted) > 0:
		d.rejectOnce(key, "has both access_not_granted and no_new_access; make two checks of them")
	}
	d.checkList(key+".access_not_granted", c.AccessNotGranted, policyActions)
	if len(c.AccessNotGranted) > maxActions {
		d.rejectOnce(key+".access_not_granted", "has %d actions; write at most %d in a check", len(c.AccessNotGranted), maxActions)
	}
}

// readReferences reads the policies that checks refer to. Their content is in no
// message.
func (d *document) readReferences(c *Config, read func(file, path string) (string, error)) {
	for i := range c.Policies.Checks {
		check := &c.Policies.Checks[i]
		key := fmt.Sprintf("policies.checks[%d].no_new_access", i)
		inline := strings.HasPrefix(strings.TrimSpace(check.NoNewAccess), "{")
		if check.NoNewAccess == "" || !inline && read == nil || !d.valid(key) {
			continue
		}
		text := check.NoNewAccess
		if !inline {
			var err error
			if text, err = read(d.file, text); err != nil {
				d.rejectValue(key, "cannot be read (%v); write a policy in JSON, or the path of a file that has one", err)
				continue
			}
		}
		if !isPolicy(text) {
			d.rejectValue(key, "is neither a policy in JSON nor the path of a file that has one; write an object with a Statement, as in IAM")
			continue
		}
		check.Reference = text
	}
}

// isPolicy returns whether text can be a policy. AWS rejects every call for a check
// with another text.
func isPolicy(text string) bool {
	var policy map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &policy) != nil {
		return false
	}
	statement := string(policy["Statement"])
	return strings.HasPrefix(statement, "{") || strings.HasPrefix(statement, "[")
}
