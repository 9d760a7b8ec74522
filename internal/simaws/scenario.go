package simaws

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxFindings bounds what one scenario may hold: a typing error in a count
// should be told and not fill the memory.
var maxFindings = 2_000_000

// ParseScenario makes a world of a scenario in YAML; scenario.yaml shows every
// key. Ages count back from now. The error has a line for everything that is
// wrong, each with its number.
func ParseScenario(data []byte, now time.Time) (*World, error) {
	var file scenarioFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("scenario: %s", shown(unknownField.ReplaceAllString(err.Error(), `there is no key "$1" here`)))
	}
	b := &builder{now: now, names: map[string]string{}}
	b.build(&file)
	if len(b.errs) > 0 {
		slices.SortStableFunc(b.errs, func(x, y lineError) int { return cmp.Compare(x.line, y.line) })
		var text strings.Builder
		for _, err := range b.errs {
			fmt.Fprintf(&text, "\n  line %d: %s", err.line, shown(err.message))
		}
		return nil, fmt.Errorf("scenario:%s", text.String())
	}
	return b.world, nil
}

// unknownField is how the decoder words it, with the name of a Go type.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// shown is what a terminal may be given: a value may hold what it obeys, and
// the decoder cuts long ones in the middle of a character.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// The types below mirror the file; scenario.yaml documents them.
type (
	scenarioFile struct {
		Caller       callerFile        `yaml:"caller"`
		Latency      duration          `yaml:"latency"`
		Jitter       duration          `yaml:"jitter"`
		PageSizes    map[string]count  `yaml:"page_sizes"`
		Quirks       quirksFile        `yaml:"quirks"`
		Organization *organizationFile `yaml:"organization"`
		Role         *roleFile         `yaml:"role"`
		Accounts     []accountFile     `yaml:"accounts"`
		Analyzers    []analyzerFile    `yaml:"analyzers"`
		Queues       []queueFile       `yaml:"queues"`
		Faults       []faultFile       `yaml:"faults"`
		Script       []eventFile       `yaml:"script"`
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
		RefuseSort                      bool     `yaml:"refuse_sort"`
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
	}
	accountFile struct {
		ID         text       `yaml:"id"`
		Name       text       `yaml:"name"`
		Email      string     `yaml:"email"`
		State      text       `yaml:"state"`
		OUs        []string   `yaml:"ous"`
		Age        duration   `yaml:"age"`
		Invited    bool       `yaml:"invited"`
		Standalone bool       `yaml:"standalone"`
		OptIn      texts      `yaml:"opt_in"`
		Roles      []roleFile `yaml:"roles"`
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
		Name   text                 `yaml:"name"`
		Filter map[string]Criterion `yaml:"filter"`
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

// text is a string that knows its line.
type text struct {
	value string
	line  int
}

// UnmarshalYAML takes any scalar as it is written: account IDs look like
// numbers.
func (t *text) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: expected one value", n.Line)
	}
	t.value, t.line = n.Value, n.Line
	return nil
}

// texts is a list of strings, or one without the brackets.
type texts []text

// UnmarshalYAML takes a scalar or a sequence of them.
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

// duration is a Go duration that may begin with days: 90d, 1d12h, 20ms.
type duration struct {
	value time.Duration
	line  int
}

var durationText = regexp.MustCompile(`(?s)^(?:([0-9]{1,5})d)?(.*)$`)

// UnmarshalYAML refuses negative durations.
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

// count is a positive number; 0 in a file that leaves it out.
type count struct{ value, line int }

// UnmarshalYAML refuses zero and less.
func (c *count) UnmarshalYAML(n *yaml.Node) error {
	v, err := strconv.Atoi(n.Value)
	if err != nil || v < 1 {
		return fmt.Errorf("line %d: %q is not a count of at least 1", n.Line, n.Value)
	}
	c.value, c.line = v, n.Line
	return nil
}

type lineError struct {
	line    int
	message string
}

// builder turns a file into a world and collects what is wrong with it.
type builder struct {
	now   time.Time
	world *World
	// names maps account names to IDs.
	names    map[string]string
	findings int
	errs     []lineError
}

func (b *builder) errorf(line int, format string, args ...any) {
	b.errs = append(b.errs, lineError{line, fmt.Sprintf(format, args...)})
}

func (b *builder) build(f *scenarioFile) {
	b.world = &World{
		Latency: f.Latency.value, Jitter: f.Jitter.value, PageSizes: b.pageSizes(f.PageSizes),
		Quirks: Quirks{
			MembersSeeOrganizationAnalyzers: f.Quirks.MembersSeeOrganizationAnalyzers,
			NoAccountStatus:                 f.Quirks.NoAccountStatus,
			NoAccountState:                  f.Quirks.NoAccountState,
			EmptyPages:                      f.Quirks.EmptyPages,
			IgnoreSort:                      f.Quirks.IgnoreSort,
			RefuseSort:                      f.Quirks.RefuseSort,
			ColdStatistics:                  f.Quirks.ColdStatistics,
			StatisticsLag:                   f.Quirks.StatisticsLag.value,
			RateLimits:                      f.Quirks.RateLimits,
		},
	}
	b.accounts(f)
	b.organization(f.Organization)
	b.world.Caller = Caller{AccountID: b.optionalAccount(f.Caller.Account), Name: f.Caller.Name, Actions: f.Caller.Actions}
	seen := map[string]bool{}
	for i := range f.Analyzers {
		for _, a := range b.analyzers(&f.Analyzers[i]) {
			arn := a.ARN()
			if seen[arn] {
				b.errorf(f.Analyzers[i].Name.line, "there are two analyzers %s", arn)
			}
			seen[arn] = true
			b.world.Analyzers = append(b.world.Analyzers, a)
		}
	}
	for i := range f.Queues {
		b.world.Queues = append(b.world.Queues, b.queue(&f.Queues[i]))
	}
	for i := range f.Faults {
		b.world.Faults = append(b.world.Faults, b.fault(&f.Faults[i]))
	}
	b.script(f.Script)
}

func (b *builder) pageSizes(given map[string]count) map[string]int {
	sizes := map[string]int{}
	for name, size := range given {
		known := slices.ContainsFunc([]map[string]*operation{accessAnalyzerOperations, organizationsOperations, accountOperations},
			func(ops map[string]*operation) bool { return ops[name] != nil })
		if !known {
			b.errorf(size.line, "page_sizes: there is no operation %q", name)
		}
		sizes[name] = size.value
	}
	return sizes
}

var (
	accountStates   = []string{"PENDING_ACTIVATION", "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED"}
	accountID       = regexp.MustCompile(`^[0-9]{12}$`)
	organizationID  = regexp.MustCompile(`^o-[a-z0-9]{10,32}$`)
	analyzerName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,254}$`)
	archiveRuleName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,254}$`)
	queueName       = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
)

// oneOf checks an enumeration; an absent value becomes otherwise.
func (b *builder) oneOf(t text, otherwise, what string, allowed []string) string {
	if t.value == "" && t.line == 0 {
		return otherwise
	}
	if !slices.Contains(allowed, t.value) {
		b.errorf(t.line, "%s %q is none of %s", what, t.value, strings.Join(allowed, ", "))
	}
	return t.value
}

func (b *builder) accounts(f *scenarioFile) {
	for i := range f.Accounts {
		b.account(&f.Accounts[i])
	}
	// Trusts may name accounts that come later.
	for i, a := range b.world.Accounts {
		roles := f.Accounts[i].Roles
		if f.Role != nil {
			roles = append(slices.Clone(roles), *f.Role)
		}
		for _, r := range roles {
			a.Roles = append(a.Roles, b.role(&r))
		}
	}
}

func (b *builder) account(f *accountFile) {
	line := cmp.Or(f.ID.line, f.Name.line)
	if !accountID.MatchString(f.ID.value) {
		b.errorf(line, "account ID %q does not have twelve digits", f.ID.value)
	}
	if b.world.Account(f.ID.value) != nil {
		b.errorf(line, "there are two accounts with ID %s", f.ID.value)
	}
	if f.Name.value == "" || b.names[f.Name.value] != "" {
		b.errorf(line, "account %s needs a name of its own, %q is not", f.ID.value, f.Name.value)
	}
	for _, r := range f.OptIn {
		if !slices.Contains(OptInRegions, r.value) {
			b.errorf(r.line, "%q is not a Region to opt in", r.value)
		}
	}
	b.names[f.Name.value] = f.ID.value
	a := &Account{
		ID: f.ID.value, Name: f.Name.value, Email: f.Email, State: b.oneOf(f.State, "ACTIVE", "account state", accountStates),
		OUs: f.OUs, Invited: f.Invited, Standalone: f.Standalone, Regions: Regions(f.OptIn.values()...),
	}
	if f.Age.value > 0 {
		a.JoinedAt = b.now.Add(-f.Age.value)
	}
	b.world.Accounts = append(b.world.Accounts, a)
}

func (ts texts) values() []string {
	var vs []string
	for _, t := range ts {
		vs = append(vs, t.value)
	}
	return vs
}

func (b *builder) role(f *roleFile) *Role {
	if f.Name.value == "" {
		b.errorf(f.Name.line, "a role needs a name")
	}
	r := &Role{Name: f.Name.value, ExternalID: f.ExternalID, Actions: f.Actions, MaxSession: f.MaxSession.value}
	for _, t := range f.Trusts {
		if t.value == "*" || strings.HasPrefix(t.value, "arn:") {
			r.Trusts = append(r.Trusts, t.value)
			continue
		}
		r.Trusts = append(r.Trusts, b.accountID(t))
	}
	return r
}

// accountID resolves a name or an ID.
func (b *builder) accountID(t text) string {
	if id, ok := b.names[t.value]; ok {
		return id
	}
	if b.world.Account(t.value) == nil {
		b.errorf(t.line, "there is no account %q", t.value)
	}
	return t.value
}

func (b *builder) optionalAccount(t text) string {
	if t.value == "" {
		return ""
	}
	return b.accountID(t)
}

// accountIDs resolves names, IDs and globs of names.
func (b *builder) accountIDs(ts texts) []string {
	var ids []string
	for _, t := range ts {
		if !strings.ContainsAny(t.value, "*?[") {
			ids = append(ids, b.accountID(t))
			continue
		}
		found := false
		for _, a := range b.world.Accounts {
			if ok, err := path.Match(t.value, a.Name); err == nil && ok {
				ids, found = append(ids, a.ID), true
			}
		}
		if !found {
			b.errorf(t.line, "no account is named like %q", t.value)
		}
	}
	return ids
}

func (b *builder) organization(f *organizationFile) {
	if f == nil {
		return
	}
	o := &Organization{ID: f.ID.value, ManagementID: b.accountID(f.Management), TrustedServices: f.TrustedServices, DelegatedAdmins: map[string][]string{}}
	if !organizationID.MatchString(o.ID) {
		b.errorf(f.ID.line, "organization ID %q is not o- and 10 to 32 lower-case letters or digits", o.ID)
	}
	if f.Age.value > 0 {
		o.CreatedAt = b.now.Add(-f.Age.value)
	}
	for service, admins := range f.DelegatedAdmins {
		o.DelegatedAdmins[service] = b.accountIDs(admins)
	}
	b.world.Organization = o
}

// regions expands "enabled" (also when nothing is given) and "default" for an
// account.
func (b *builder) regions(given, except texts, a *Account) []string {
	if given == nil {
		given = texts{{value: "enabled"}}
	}
	var out []string
	for _, t := range given {
		switch {
		case t.value == "default":
			out = append(out, DefaultRegions...)
		case t.value == "enabled":
			for _, r := range a.Regions {
				if a.enabled(r.Name) {
					out = append(out, r.Name)
				}
			}
		case !a.enabled(t.value):
			b.errorf(t.line, "Region %q is not enabled in account %s", t.value, a.Name)
		default:
			out = append(out, t.value)
		}
	}
	for _, t := range except {
		if !slices.Contains(out, t.value) {
			b.errorf(t.line, "Region %q is not there to be left out", t.value)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(r string) bool { return slices.Contains(except.values(), r) })
}

var (
	analyzerStatuses = []string{"ACTIVE", "CREATING", "DISABLED", "FAILED"}
	statusReasons    = []string{
		"AWS_SERVICE_ACCESS_DISABLED", "DELEGATED_ADMINISTRATOR_DEREGISTERED", "ORGANIZATION_DELETED", "SERVICE_LINKED_ROLE_CREATION_FAILED",
	}
)

// analyzers makes one analyzer for each account and Region that an entry
// names.
func (b *builder) analyzers(f *analyzerFile) []*Analyzer {
	if !analyzerName.MatchString(f.Name.value) {
		b.errorf(f.Name.line, "analyzer name %q is not one that AWS takes", f.Name.value)
	}
	kind := b.oneOf(f.Type, "", "analyzer type", analyzerTypes)
	if kind == "" {
		b.errorf(f.Name.line, "analyzer %q needs a type", f.Name.value)
	}
	if len(f.Account) == 0 {
		b.errorf(f.Name.line, "analyzer %q needs an account", f.Name.value)
	}
	var out []*Analyzer
	for _, id := range b.accountIDs(f.Account) {
		account := b.world.Account(id)
		if account == nil {
			continue // has been told
		}
		for _, region := range b.regions(f.Regions, f.Except, account) {
			out = append(out, b.analyzer(f, kind, id, region))
		}
	}
	for _, group := range f.Findings {
		for _, r := range group.Regions {
			if !slices.ContainsFunc(out, func(a *Analyzer) bool { return a.Region == r.value }) {
				b.errorf(r.line, "analyzer %s is not in Region %q", f.Name.value, r.value)
			}
		}
	}
	return out
}

func (b *builder) analyzer(f *analyzerFile, kind, accountID, region string) *Analyzer {
	a := &Analyzer{
		AccountID: accountID, Region: region, Name: f.Name.value, Type: kind, ManagedBy: f.ManagedBy, Tags: f.Tags,
		Status:    b.oneOf(f.Status, "ACTIVE", "analyzer status", analyzerStatuses),
		CreatedAt: b.now.Add(-f.Age.value), StatusReason: b.oneOf(f.StatusReason, "", "status reason", statusReasons),
	}
	b.configure(a, f)
	for i := range f.ArchiveRules {
		a.ArchiveRules = append(a.ArchiveRules, b.archiveRule(&f.ArchiveRules[i], a.access(), a.CreatedAt))
	}
	for i := range f.Findings {
		a.Findings = append(a.Findings, b.group(&f.Findings[i], a, i, b.now)...)
	}
	if f.LastResourceAnalyzed.line != 0 {
		a.LastResourceAnalyzedAt = b.now.Add(-f.LastResourceAnalyzed.value)
		if n := len(a.Findings); n > 0 {
			a.LastResourceAnalyzed = a.Findings[n-1].Resource
		}
	}
	return a
}

// configure gives the analyzer the configuration that goes with its type.
func (b *builder) configure(a *Analyzer, f *analyzerFile) {
	if (f.UnusedAccess != nil) != (a.access() == 'U') {
		b.errorf(f.Name.line, "unused_access goes with analyzers of unused access, and they with it; %s is %s", a.Name, a.Type)
	}
	if f.InternalAccess != nil && a.access() != 'I' {
		b.errorf(f.Name.line, "internal_access goes with analyzers of internal access; %s is %s", a.Name, a.Type)
	}
	if u := f.UnusedAccess; u != nil {
		if u.Age < 1 || u.Age > 365 {
			b.errorf(f.Name.line, "unused_access.age of %s is %d and not 1 to 365 days", a.Name, u.Age)
		}
		a.Unused = &UnusedAccess{Age: u.Age}
		for _, e := range u.Exclusions {
			a.Unused.Exclusions = append(a.Unused.Exclusions, Exclusion{b.accountIDs(e.Accounts), e.Tags})
		}
	}
	if a.access() != 'I' {
		return
	}
	a.Internal = &InternalAccess{}
	if f.InternalAccess == nil {
		return
	}
	for _, i := range f.InternalAccess.Inclusions {
		for _, t := range i.ResourceTypes {
			b.oneOf(t, "", "resource type", internalResourceTypes)
		}
		a.Internal.Inclusions = append(a.Internal.Inclusions, Inclusion{b.accountIDs(i.Accounts), i.ResourceTypes.values(), i.Resources})
	}
}

func (b *builder) archiveRule(f *archiveRuleFile, access byte, created time.Time) *ArchiveRule {
	if !archiveRuleName.MatchString(f.Name.value) {
		b.errorf(f.Name.line, "archive rule name %q is not one that AWS takes", f.Name.value)
	}
	if err := checkFilter(f.Filter, access); err != nil {
		b.errorf(f.Name.line, "archive rule %s: %s", f.Name.value, err.Message)
	}
	return &ArchiveRule{Name: f.Name.value, Filter: f.Filter, CreatedAt: created, UpdatedAt: created}
}

func (b *builder) queue(f *queueFile) *Queue {
	if !queueName.MatchString(f.Name.value) {
		b.errorf(cmp.Or(f.Name.line, f.Account.line), "queue name %q is not one that AWS takes", f.Name.value)
	}
	if !slices.Contains(slices.Concat(DefaultRegions, OptInRegions), f.Region.value) {
		b.errorf(cmp.Or(f.Region.line, f.Name.line), "%q is not a Region", f.Region.value)
	}
	return &Queue{
		AccountID: b.accountID(f.Account), Region: f.Region.value, Name: f.Name.value,
		VisibilityTimeout: f.VisibilityTimeout.value, Retention: f.Retention.value, MaxReceives: f.MaxReceives, SNS: f.SNS,
	}
}

// findingTypes are what each kind of analyzer finds; the first is the default.
var findingTypes = map[byte][]string{
	'E': {"ExternalAccess"},
	'U': {"UnusedPermission", "UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword"},
	'I': {"InternalAccess"},
}

var findingStatuses = []string{"ACTIVE", "ARCHIVED", "RESOLVED"}

var internalResourceTypes = []string{
	"AWS::S3::Bucket", "AWS::S3Express::DirectoryBucket", "AWS::RDS::DBSnapshot", "AWS::RDS::DBClusterSnapshot", "AWS::DynamoDB::Table", "AWS::DynamoDB::Stream",
}

// resourceARNs are the resources that are made up for each resource type.
var resourceARNs = map[string]string{
	"AWS::S3::Bucket":                 "arn:aws:s3:::{name}-{region}-data-{n}",
	"AWS::IAM::Role":                  "arn:aws:iam::{account}:role/integration-{n}",
	"AWS::SQS::Queue":                 "arn:aws:sqs:{region}:{account}:jobs-{n}",
	"AWS::Lambda::Function":           "arn:aws:lambda:{region}:{account}:function:handler-{n}",
	"AWS::Lambda::LayerVersion":       "arn:aws:lambda:{region}:{account}:layer:runtime:{n}",
	"AWS::KMS::Key":                   "arn:aws:kms:{region}:{account}:key/00000000-0000-4000-8000-{n:12}",
	"AWS::SecretsManager::Secret":     "arn:aws:secretsmanager:{region}:{account}:secret:token-{n}",
	"AWS::EFS::FileSystem":            "arn:aws:elasticfilesystem:{region}:{account}:file-system/fs-{n:12}",
	"AWS::EC2::Snapshot":              "arn:aws:ec2:{region}::snapshot/snap-{n:12}",
	"AWS::ECR::Repository":            "arn:aws:ecr:{region}:{account}:repository/images-{n}",
	"AWS::RDS::DBSnapshot":            "arn:aws:rds:{region}:{account}:snapshot:backup-{n}",
	"AWS::RDS::DBClusterSnapshot":     "arn:aws:rds:{region}:{account}:cluster-snapshot:backup-{n}",
	"AWS::SNS::Topic":                 "arn:aws:sns:{region}:{account}:events-{n}",
	"AWS::S3Express::DirectoryBucket": "arn:aws:s3express:{region}:{account}:bucket/{name}-{n}--az1--x-s3",
	"AWS::DynamoDB::Table":            "arn:aws:dynamodb:{region}:{account}:table/items-{n}",
	"AWS::DynamoDB::Stream":           "arn:aws:dynamodb:{region}:{account}:table/items-{n}/stream/2026-01-01T00:00:00.000",
	"AWS::IAM::User":                  "arn:aws:iam::{account}:user/user-{n}",
}

// group makes the findings that one entry describes for an analyzer: count of
// them for each account, the oldest as old as it says and the others spread
// evenly since. number tells the analyzer's groups apart.
func (b *builder) group(f *findingsFile, a *Analyzer, number int, now time.Time) []Finding {
	if f.Regions != nil && !slices.Contains(f.Regions.values(), a.Region) {
		return nil
	}
	kind := b.oneOf(f.Type, findingTypes[a.access()][0], "finding type of a "+a.Type+" analyzer", findingTypes[a.access()])
	model := Finding{
		Type: kind, Status: b.oneOf(f.Status, "ACTIVE", "finding status", findingStatuses),
		ResourceType: f.resourceType(kind), Public: f.Public, Error: f.Error, Access: f.access(kind),
	}
	pattern := cmp.Or(f.Resource.value, resourceARNs[model.ResourceType])
	if resourceARNs[model.ResourceType] == "" {
		b.errorf(cmp.Or(f.ResourceType.line, f.Account.line()), "resource type %q is not one that AWS has", model.ResourceType)
	}
	owners := b.accountIDs(f.Account)
	if f.Account == nil {
		owners = []string{a.AccountID}
	}
	n := max(1, f.Count.value)
	b.findings += n * len(owners)
	if n > maxFindings || b.findings > maxFindings {
		b.errorf(cmp.Or(f.Count.line, f.Account.line()), "these are more than %d findings", maxFindings)
		return nil
	}
	out := make([]Finding, 0, n*len(owners))
	for _, owner := range owners {
		resource := b.fill(pattern, owner, a.Region)
		for i := range n {
			finding := model
			finding.Owner, finding.ID = owner, findingID(a, number, owner, i)
			finding.Resource = strings.NewReplacer("{n}", strconv.Itoa(i+1), "{n:12}", fmt.Sprintf("%012d", i+1)).Replace(resource)
			finding.CreatedAt = now.Add(-f.Age.value / time.Duration(n) * time.Duration(n-i)).Truncate(time.Second)
			finding.UpdatedAt, finding.AnalyzedAt = finding.CreatedAt, finding.CreatedAt
			out = append(out, finding)
		}
	}
	return out
}

func (ts texts) line() int {
	if len(ts) == 0 {
		return 0
	}
	return ts[0].line
}

// resourceType is what the entry says, or what goes with the finding type.
func (f *findingsFile) resourceType(kind string) string {
	switch {
	case f.ResourceType.value != "":
		return f.ResourceType.value
	case kind == "UnusedIAMUserAccessKey" || kind == "UnusedIAMUserPassword":
		return "AWS::IAM::User"
	case kind == "UnusedIAMRole" || kind == "UnusedPermission":
		return "AWS::IAM::Role"
	}
	return "AWS::S3::Bucket"
}

// access makes up what the entry leaves out.
func (f *findingsFile) access(kind string) *Access {
	if f.Error != "" || strings.HasPrefix(kind, "Unused") {
		return nil
	}
	access := &Access{f.Principal, f.Action, f.Condition, f.Restriction}
	if access.Principal == nil {
		access.Principal = map[string]string{"AWS": "123456789012"}
		if f.Public {
			access.Principal["AWS"] = "*"
		}
	}
	if access.Action == nil {
		access.Action = []string{"s3:GetObject"}
		if f.ResourceType.value == "AWS::IAM::Role" {
			access.Action = []string{"sts:AssumeRole"}
		}
	}
	return access
}

// fill replaces the placeholders of a resource's ARN but for the number.
func (b *builder) fill(pattern, accountID, region string) string {
	name := accountID
	if a := b.world.Account(accountID); a != nil {
		name = a.Name
	}
	return strings.NewReplacer("{account}", accountID, "{name}", name, "{region}", region).Replace(pattern)
}

// findingID is a UUID that is the same whenever a scenario is read.
func findingID(a *Analyzer, group int, owner string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%s/%d", a.ARN(), group, owner, n))
	return formatUUID([16]byte(sum[:16]))
}

func (b *builder) fault(f *faultFile) *Fault {
	var kinds []string
	for _, k := range FaultKinds {
		kinds = append(kinds, string(k))
	}
	kind := b.oneOf(f.Kind, "", "fault kind", kinds)
	if kind == "" {
		b.errorf(f.Kind.line, "a fault needs a kind")
	}
	if f.Probability < 0 || f.Probability > 1 || f.Times < 0 || f.Size < 0 {
		b.errorf(f.Kind.line, "a fault's probability is between 0 and 1, its times and size are not negative")
	}
	for _, s := range f.Service {
		b.oneOf(s, "", "service", []string{"*", accessAnalyzer.name, accountManagement.name, organizations.name, securityTokenService.name, simpleQueueService.name})
	}
	return &Fault{
		Kind: FaultKind(kind), Service: f.Service.alternatives(), Account: strings.Join(b.accountIDs(f.Account), "|"),
		Region: f.Region.alternatives(), Operation: f.Operation.alternatives(), Times: f.Times, Probability: f.Probability,
		From: f.From.value, Until: f.Until.value, Delay: f.Delay.value, Size: f.Size, Field: f.Field,
	}
}

func (ts texts) alternatives() string { return strings.Join(ts.values(), "|") }
