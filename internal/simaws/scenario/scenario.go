// Package scenario parses worlds and their scripts in YAML.
package scenario

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// Parse parses a scenario; scenario.yaml has every key. Ages count back from now.
// The error lists all that is invalid, with line numbers.
func Parse(data []byte, now time.Time) (*world.World, error) {
	var file scenarioFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		if syntax, ok := errors.AsType[*yaml.LoadError](err); ok {
			// At the end of the data, the library reports the line after the last.
			lines := bytes.Count(bytes.TrimRight(data, "\n"), []byte("\n")) + 1
			syntax.Mark.Line = min(syntax.Mark.Line, lines)
		}
		return nil, fmt.Errorf("scenario: %s", printable(unknownField.ReplaceAllString(err.Error(), `there is no key "$1" here`)))
	}
	b := &builder{now: now, names: map[string]string{}, documents: file.Documents}
	b.build(&file)
	if len(b.errs) > 0 {
		slices.SortStableFunc(b.errs, func(x, y lineError) int { return cmp.Compare(x.line, y.line) })
		var text strings.Builder
		for _, err := range b.errs {
			fmt.Fprintf(&text, "\n  line %d: %s", err.line, printable(err.message))
		}
		return nil, fmt.Errorf("scenario:%s", text.String())
	}
	return b.world, nil
}

// unknownField is the decoder's message, which contains the name of a Go type.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// printable replaces characters that a terminal would interpret, and those that
// the decoder cut in two when it shortened a value.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

type lineError struct {
	line    int
	message string
}

// builder builds the world of a file and collects errors.
type builder struct {
	now   time.Time
	world *world.World
	// names maps account names to IDs.
	names    map[string]string
	findings int
	// documents are the policy documents by name.
	documents map[string]documentFile
	errs      []lineError
}

func (b *builder) errorf(line int, format string, args ...any) {
	b.errs = append(b.errs, lineError{line, fmt.Sprintf(format, args...)})
}

func (b *builder) build(f *scenarioFile) {
	b.world = &world.World{
		Latency: f.Latency.value, Jitter: f.Jitter.value, PageSizes: b.pageSizes(f.PageSizes),
		Quirks: world.Quirks{
			MembersSeeOrganizationAnalyzers: f.Quirks.MembersSeeOrganizationAnalyzers,
			NoAccountStatus:                 f.Quirks.NoAccountStatus,
			NoAccountState:                  f.Quirks.NoAccountState,
			EmptyPages:                      f.Quirks.EmptyPages,
			IgnoreSort:                      f.Quirks.IgnoreSort,
			RejectSort:                      f.Quirks.RejectSort,
			ColdStatistics:                  f.Quirks.ColdStatistics,
			StatisticsLag:                   f.Quirks.StatisticsLag.value,
			RateLimits:                      f.Quirks.RateLimits,
		},
	}
	b.accounts(f)
	b.organization(f.Organization)
	b.world.Caller = world.Caller{AccountID: b.optionalAccount(f.Caller.Account), Name: f.Caller.Name, Actions: f.Caller.Actions}
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
	for i := range f.Policies {
		if add := b.policy(&f.Policies[i]); len(b.errs) == 0 {
			add(b.world, b.now)
		}
	}
	for i := range f.Faults {
		b.world.Faults = append(b.world.Faults, b.fault(&f.Faults[i]))
	}
	b.script(f.Script)
}

func (b *builder) pageSizes(given map[string]count) map[string]int {
	sizes := map[string]int{}
	for name, size := range given {
		if world.DefaultPageSizes[name] == 0 {
			b.errorf(size.line, "page_sizes: there is no list operation %q", name)
		}
		sizes[name] = size.value
	}
	return sizes
}

var (
	accountID       = regexp.MustCompile(`^[0-9]{12}$`)
	organizationID  = regexp.MustCompile(`^o-[a-z0-9]{10,32}$`)
	analyzerName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,254}$`)
	archiveRuleName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,254}$`)
	queueName       = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
)

// oneOf validates an enumeration; an absent value becomes otherwise.
func (b *builder) oneOf(t text, otherwise, what string, allowed []string) string {
	if t.value == "" && t.line == 0 {
		return otherwise
	}
	if !slices.Contains(allowed, t.value) {
		b.errorf(t.line, "%s %q is not one of %s", what, t.value, strings.Join(allowed, ", "))
	}
	return t.value
}

func (b *builder) accounts(f *scenarioFile) {
	for i := range f.Accounts {
		b.account(&f.Accounts[i])
	}
	// Trust policies may name accounts that are further down in the file.
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
		b.errorf(line, "account %s needs a unique name, got %q", f.ID.value, f.Name.value)
	}
	for _, r := range f.OptIn {
		if !slices.Contains(world.OptInRegions, r.value) {
			b.errorf(r.line, "%q is not an opt-in Region", r.value)
		}
	}
	if err := world.CheckOUs(f.OUs); err != nil {
		b.errorf(line, "account %s: %v", f.ID.value, err)
	}
	b.names[f.Name.value] = f.ID.value
	a := &world.Account{
		ID: f.ID.value, Name: f.Name.value, Email: f.Email, State: b.oneOf(f.State, "ACTIVE", "account state", world.AccountStates),
		OUs: f.OUs, Tags: f.Tags, Invited: f.Invited, Standalone: f.Standalone, Regions: world.Regions(f.OptIn.values()...),
	}
	if f.Age.value > 0 {
		a.JoinedAt = b.now.Add(-f.Age.value)
	}
	b.world.Accounts = append(b.world.Accounts, a)
}

func (b *builder) role(f *roleFile) *world.Role {
	if f.Name.value == "" {
		b.errorf(f.Name.line, "a role needs a name")
	}
	r := &world.Role{Name: f.Name.value, ExternalID: f.ExternalID, Actions: f.Actions, MaxSession: f.MaxSession.value}
	for _, t := range f.Trusts {
		if t.value == "*" || strings.HasPrefix(t.value, "arn:") {
			r.Trusts = append(r.Trusts, t.value)
			continue
		}
		r.Trusts = append(r.Trusts, b.accountID(t))
	}
	return r
}

// accountID resolves an account name or ID.
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

// accountIDs resolves account names, IDs and globs of names.
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
			b.errorf(t.line, "no account name matches %q", t.value)
		}
	}
	return ids
}

func (b *builder) organization(f *organizationFile) {
	if f == nil {
		return
	}
	o := &world.Organization{ID: f.ID.value, ManagementID: b.accountID(f.Management), TrustedServices: f.TrustedServices, DelegatedAdmins: map[string][]string{}}
	if !organizationID.MatchString(o.ID) {
		b.errorf(f.ID.line, "organization ID %q must be o- and 10 to 32 lower-case letters or digits", o.ID)
	}
	if f.Age.value > 0 {
		o.CreatedAt = b.now.Add(-f.Age.value)
	}
	for id, name := range f.OUs {
		if !world.IsOU(id) || name.value == "" {
			b.errorf(name.line, "%q is not the ID of an organizational unit with a name, such as ou-exam-workload", id)
		}
		if o.OUNames == nil {
			o.OUNames = map[string]string{}
		}
		o.OUNames[id] = name.value
	}
	for service, admins := range f.DelegatedAdmins {
		o.DelegatedAdmins[service] = b.accountIDs(admins)
	}
	b.world.Organization = o
}

func (b *builder) queue(f *queueFile) *world.Queue {
	if !queueName.MatchString(f.Name.value) {
		b.errorf(cmp.Or(f.Name.line, f.Account.line), "queue name %q is invalid", f.Name.value)
	}
	if !slices.Contains(slices.Concat(world.DefaultRegions, world.OptInRegions), f.Region.value) {
		b.errorf(cmp.Or(f.Region.line, f.Name.line), "%q is not a Region", f.Region.value)
	}
	return &world.Queue{
		AccountID: b.accountID(f.Account), Region: f.Region.value, Name: f.Name.value,
		VisibilityTimeout: f.VisibilityTimeout.value, Retention: f.Retention.value, MaxReceives: f.MaxReceives, SNS: f.SNS,
	}
}

func (b *builder) fault(f *faultFile) *world.Fault {
	var kinds []string
	for _, k := range world.FaultKinds {
		kinds = append(kinds, string(k))
	}
	kind := b.oneOf(f.Kind, "", "fault kind", kinds)
	if kind == "" {
		b.errorf(f.Kind.line, "a fault needs a kind")
	}
	if f.Probability < 0 || f.Probability > 1 || f.Times < 0 || f.Size < 0 {
		b.errorf(f.Kind.line, "the probability of a fault must be between 0 and 1, its times and size must not be negative")
	}
	for _, s := range f.Service {
		b.oneOf(s, "", "service", append([]string{"*"}, world.Services...))
	}
	return &world.Fault{
		Kind: world.FaultKind(kind), Service: f.Service.alternatives(), Account: strings.Join(b.accountIDs(f.Account), "|"),
		Region: f.Region.alternatives(), Operation: f.Operation.alternatives(), Times: f.Times, Probability: f.Probability,
		From: f.From.value, Until: f.Until.value, Delay: f.Delay.value, Size: f.Size, Field: f.Field,
	}
}
