package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// The types below are the schema of the file; scenario.yaml documents them.
type (
	scenarioFile struct {
		Caller       callerFile              `yaml:"caller"`
		Latency      duration                `yaml:"latency"`
		Jitter       duration                `yaml:"jitter"`
		PageSizes    map[string]count        `yaml:"page_sizes"`
		Quirks       quirksFile              `yaml:"quirks"`
		Organization *organizationFile       `yaml:"organization"`
		Role         *roleFile               `yaml:"role"`
		Accounts     []accountFile           `yaml:"accounts"`
		Analyzers    []analyzerFile          `yaml:"analyzers"`
		Queues       []queueFile             `yaml:"queues"`
		Documents    map[string]documentFile `yaml:"documents"`
		Policies     []policyFile            `yaml:"policies"`
		Faults       []faultFile             `yaml:"faults"`
		Script       []eventFile             `yaml:"script"`
	}
	callerFile struct {
		Account text     `yaml:"account"`
		Name    string   `yaml:"name"`
		Actions []string `yaml:"actions"`
	}
	quirksFile struct {
		MembersSeeOrganizationAnalyzers bool     `yaml:"members_see_organization_analyzers"`
		NoAccountStatus                 bool     `yaml:"no_account_status"`
		NoAccountState                  bool     `yaml:"no_account_state"`
		EmptyPages                      bool     `yaml:"empty_pages"`
		IgnoreSort                      bool     `yaml:"ignore_sort"`
		RejectSort                      bool     `yaml:"reject_sort"`
		ColdStatistics                  bool     `yaml:"cold_statistics"`
		StatisticsLag                   duration `yaml:"statistics_lag"`
		RateLimits                      bool     `yaml:"rate_limits"`
	}
	organizationFile struct {
		ID              text             `yaml:"id"`
		Management      text             `yaml:"management"`
		Age             duration         `yaml:"age"`
		TrustedServices []string         `yaml:"trusted_services"`
		DelegatedAdmins map[string]texts `yaml:"delegated_admins"`
		OUs             map[string]text  `yaml:"ous"`
	}
	accountFile struct {
		ID         text              `yaml:"id"`
		Name       text              `yaml:"name"`
		Email      string            `yaml:"email"`
		State      text              `yaml:"state"`
		OUs        []string          `yaml:"ous"`
		Tags       map[string]string `yaml:"tags"`
		Age        duration          `yaml:"age"`
		Invited    bool              `yaml:"invited"`
		Standalone bool              `yaml:"standalone"`
		OptIn      texts             `yaml:"opt_in"`
		Roles      []roleFile        `yaml:"roles"`
	}
	roleFile struct {
		Name       text     `yaml:"name"`
		Trusts     texts    `yaml:"trusts"`
		ExternalID string   `yaml:"external_id"`
		Actions    []string `yaml:"actions"`
		MaxSession duration `yaml:"max_session"`
	}
	analyzerFile struct {
		Account              texts             `yaml:"account"`
		Name                 text              `yaml:"name"`
		Type                 text              `yaml:"type"`
		Regions              texts             `yaml:"regions"`
		Except               texts             `yaml:"except"`
		Status               text              `yaml:"status"`
		StatusReason         text              `yaml:"status_reason"`
		ManagedBy            string            `yaml:"managed_by"`
		Age                  duration          `yaml:"age"`
		LastResourceAnalyzed duration          `yaml:"last_resource_analyzed"`
		Tags                 map[string]string `yaml:"tags"`
		UnusedAccess         *unusedFile       `yaml:"unused_access"`
		InternalAccess       *internalFile     `yaml:"internal_access"`
		ArchiveRules         []archiveRuleFile `yaml:"archive_rules"`
		Findings             []findingsFile    `yaml:"findings"`
	}
	queueFile struct {
		Account           text     `yaml:"account"`
		Region            text     `yaml:"region"`
		Name              text     `yaml:"name"`
		VisibilityTimeout duration `yaml:"visibility_timeout"`
		Retention         duration `yaml:"retention"`
		MaxReceives       int      `yaml:"max_receives"`
		SNS               bool     `yaml:"sns"`
	}
	unusedFile struct {
		Age        int `yaml:"age"`
		Exclusions []struct {
			Accounts texts               `yaml:"accounts"`
			Tags     []map[string]string `yaml:"tags"`
		} `yaml:"exclusions"`
	}
	internalFile struct {
		Inclusions []struct {
			Accounts      texts    `yaml:"accounts"`
			ResourceTypes texts    `yaml:"resource_types"`
			Resources     []string `yaml:"resources"`
		} `yaml:"inclusions"`
	}
	archiveRuleFile struct {
		Name   text         `yaml:"name"`
		Filter world.Filter `yaml:"filter"`
	}
	findingsFile struct {
		Type         text              `yaml:"type"`
		Account      texts             `yaml:"account"`
		Regions      texts             `yaml:"regions"`
		ResourceType text              `yaml:"resource_type"`
		Resource     text              `yaml:"resource"`
		Count        count             `yaml:"count"`
		Status       text              `yaml:"status"`
		Public       bool              `yaml:"public"`
		Error        string            `yaml:"error"`
		Principal    map[string]string `yaml:"principal"`
		Action       []string          `yaml:"action"`
		Condition    map[string]string `yaml:"condition"`
		Restriction  string            `yaml:"resource_control_policy_restriction"`
		Age          duration          `yaml:"age"`
	}
	faultFile struct {
		Kind        text     `yaml:"kind"`
		Service     texts    `yaml:"service"`
		Account     texts    `yaml:"account"`
		Region      texts    `yaml:"region"`
		Operation   texts    `yaml:"operation"`
		Times       int      `yaml:"times"`
		Probability float64  `yaml:"probability"`
		From        duration `yaml:"from"`
		Until       duration `yaml:"until"`
		Delay       duration `yaml:"delay"`
		Size        int64    `yaml:"size"`
		Field       string   `yaml:"field"`
	}
)

// text is a string with its line.
type text struct {
	value string
	line  int
}

// UnmarshalYAML accepts any scalar as it is written, because account IDs look
// like numbers.
func (t *text) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: expected one value", n.Line)
	}
	t.value, t.line = n.Value, n.Line
	return nil
}

// texts is a list of strings, or a single string.
type texts []text

// UnmarshalYAML accepts a scalar or a sequence of scalars.
func (ts *texts) UnmarshalYAML(n *yaml.Node) error {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	for _, node := range nodes {
		var t text
		if err := t.UnmarshalYAML(node); err != nil {
			return err
		}
		*ts = append(*ts, t)
	}
	return nil
}

// duration is a Go duration with optional days: 90d, 1d12h, 20ms.
type duration struct {
	value time.Duration
	line  int
}

var durationText = regexp.MustCompile(`(?s)^(?:([0-9]{1,5})d)?(.*)$`)

// UnmarshalYAML rejects negative durations.
func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	parts := durationText.FindStringSubmatch(n.Value)
	days, _ := strconv.Atoi(parts[1])
	d.value, d.line = time.Duration(days)*24*time.Hour, n.Line
	if parts[2] == "" && parts[1] != "" {
		return nil
	}
	rest, err := time.ParseDuration(parts[2])
	if err != nil || rest < 0 || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: %q is not a duration like 20ms, 5m or 90d", n.Line, n.Value)
	}
	d.value += rest
	return nil
}

// count is a positive number; 0 if it is absent.
type count struct{ value, line int }

// UnmarshalYAML rejects zero and less.
func (c *count) UnmarshalYAML(n *yaml.Node) error {
	v, err := strconv.Atoi(n.Value)
	if err != nil || v < 1 {
		return fmt.Errorf("line %d: %q is not a count of at least 1", n.Line, n.Value)
	}
	c.value, c.line = v, n.Line
	return nil
}

func (ts texts) values() []string {
	var vs []string
	for _, t := range ts {
		vs = append(vs, t.value)
	}
	return vs
}

func (ts texts) line() int {
	if len(ts) == 0 {
		return 0
	}
	return ts[0].line
}

func (ts texts) alternatives() string { return strings.Join(ts.values(), "|") }
