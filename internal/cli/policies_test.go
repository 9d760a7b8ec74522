package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
)

// check-config prints what the checks of policies can cost, and the errors of files
// that they refer to.
func TestCheckConfigPricesChecks(t *testing.T) {
	const price = "policies.checks: 1 check; AWS bills at most 500 calls in 24 hours (1.000 USD) and 68 in an hour (0.136 USD), at 0.002 USD a call."
	const small = "at most 5 calls in 24 hours (0.010 USD) and 1 in an hour (0.002 USD)"
	for name, test := range map[string]struct {
		config, says string
		code         int
	}{
		"a check":      {`policies: {enabled: true, checks: [{name: a, no_new_access: boundary.json}], checks_per_day: 500}`, price, 0},
		"small":        {`policies: {enabled: true, checks: [{name: a, no_new_access: boundary.json}], checks_per_day: 5}`, small, 0},
		"disabled":     {`policies: {checks: [{name: a, no_new_access: boundary.json}], checks_per_day: 500}`, "policies.checks: used by audit --policies only, because policies.enabled is false.", 0},
		"missing file": {`policies: {checks: [{name: a, no_new_access: other.json}], checks_per_day: 500}`, "policies.checks[0].no_new_access: cannot be read", 1},
		"not a policy": {`policies: {checks: [{name: a, no_new_access: config.yaml}], checks_per_day: 500}`, "is neither a policy in JSON nor the path of a file", 1},
		"no effect":    {`policies: {types: [trust], checks: [{name: a, access_not_granted: ["iam:*"]}], checks_per_day: 500}`, "config.yaml:1: policies.checks: has no effect", 1},
		"itself":       {`policies: {enabled: true, checks: [{name: a, no_new_access: '{"Statement": []}'}], checks_per_day: 500}`, price, 0},
		"no ceiling":   {`policies: {checks: [{name: a, access_not_granted: ["iam:*"]}]}`, "policies.checks_per_day: is missing", 1},
	} {
		var out bytes.Buffer
		code := cli.Run(t.Context(), []string{"check-config", written(t, test.config)}, &out, &out)
		if code != test.code || !strings.Contains(out.String(), test.says) || test.says != price && test.says != small && strings.Contains(out.String(), "USD") {
			t.Errorf("%s: exit code %d: %s", name, code, &out)
		}
	}
}
