package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
)

const (
	// Limits that prevent floods of API calls, and overflows, due to typing errors.
	shortest       = model.Duration(time.Second)
	longest        = model.Duration(100 * 365 * 24 * time.Hour)
	maxConcurrency = 10_000
	maxReason      = 256
	// Each public resource is a series, and its name is in memory.
	maxPublicResources = 1000

	// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
	maxExternalID = 1224
)

// rolePattern allows fewer characters in the path than IAM: some, such as *, are
// wildcards in the policies that iam-policy generates from the name.
const rolePattern = `(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,64}`

var (
	accountIDs     = pattern("an account ID", `\d{12}`, "write its 12 digits, leading zeros included")
	sessionNames   = pattern("a session name", `[\w+=,.@-]{2,64}`, "write 2 to 64 letters, digits or any of _+=,.@-")
	permissionSets = pattern("the name of a permission set", `[\w+=,.@-]{1,32}`, "write 1 to 32 letters, digits or any of _+=,.@-")
	roleNames      = pattern("the name of a role", rolePattern, "write it without account and leading slash, such as audit or path/audit")
	roleARNs       = pattern("the ARN of a role", `arn:aws(?:-[a-z]+)*:iam::\d{12}:role/`+rolePattern, "write it as arn:aws:iam::123456789012:role/audit")

	discoveries = oneOf("a discovery mode", DiscoveryNone, DiscoveryOrganization)
	enterModes  = oneOf("a mode of reading members", EnterAlways, EnterUncovered)
	statuses    = oneOf("a status of findings", "ACTIVE", "ARCHIVED", "RESOLVED")
	scopes      = oneOf("a scope", "account", "organization")
	regionNames = kind{"a Region", regionRemedy}

	exemptAccounts = accountIDs.or(`"*" for all`)
	exemptRegions  = regionNames.or("global for unused access", `"*" for all`)
	exemptAccesses = oneOf("a kind of access", "external", "unused", "internal").or(`"*" for all`)

	externalID = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
	queuePath  = regexp.MustCompile(`^/\d{12}/(?:[\w-]{1,80}|[\w-]{1,75}\.fifo)$`)
)

// kind is a kind of string value: its noun, and a function that returns how to
// correct an invalid string, or an empty string if it is valid.
type kind struct {
	noun   string
	remedy func(string) string
}

func pattern(noun, expr, remedy string) kind {
	re := regexp.MustCompile("^(?:" + expr + ")$")
	return kind{noun, func(s string) string {
		if re.MatchString(s) {
			return ""
		}
		return remedy
	}}
}

func oneOf(noun string, values ...string) kind {
	return kind{noun, func(s string) string {
		if slices.Contains(values, s) {
			return ""
		}
		return "write " + strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
	}}
}

// or adds accepted words to a kind, each followed by its meaning.
func (k kind) or(others ...string) kind {
	return kind{k.noun, func(s string) string {
		remedy := k.remedy(s)
		for _, other := range others {
			if word, _, _ := strings.Cut(other, " "); strings.Trim(word, `"`) == s {
				return ""
			}
			if remedy != "" && !strings.HasSuffix(remedy, "?") {
				remedy += ", or " + other
			}
		}
		return remedy
	}}
}

// check rejects decoded values that are invalid or contradict each other.
func (d *document) check(c *Config) {
	d.checkSweep(c.Sweep)
	d.checkFindings(c.Findings)
	d.checkAccounts(c.Accounts, c.AssumeRole.Name)
	d.checkAssumeRole(c.AssumeRole)
	d.checkList("regions.include", c.Regions.Include, regionNames)
	d.checkList("regions.exclude", c.Regions.Exclude, regionNames)
	d.checkDisjoint("regions.exclude", "", c.Regions.Exclude, "regions.include", c.Regions.Include)
	d.checkCoverage(c.Coverage)
	d.checkMembers(c)
	d.checkUnusedRegions(c)
	d.checkDuration("stale_after", c.StaleAfter, 0)
	d.checkRules(c.Rules, c.Accounts)
	if c.Events.QueueURL != "" && !isQueueURL(c.Events.QueueURL) {
		// Without the value: a URL can contain a password.
		d.rejectOnce("events.queue_url", "is not the URL of an SQS queue; write it as SQS shows it, such as https://sqs.eu-west-1.amazonaws.com/123456789012/findings")
	}
	d.checkPolicies(c.Policies)
	d.checkAWS(c.AWS)
}

func (d *document) checkSweep(s Sweep) {
	d.checkDuration("sweep.interval", s.Interval, shortest)
	d.checkDuration("sweep.timeout", s.Timeout, shortest)
	if d.valid("sweep.interval", "sweep.timeout") && s.Timeout > s.Interval {
		if d.isSet("sweep.timeout") {
			d.rejectOnce("sweep.timeout", "%s is longer than sweep.interval; write at most %s", s.Timeout, s.Interval)
		} else {
			d.rejectOnce("sweep.interval", "%s is shorter than the default of sweep.timeout, %s; set that to at most %s", s.Interval, s.Timeout, s.Interval)
		}
	}
	if s.Concurrency < 1 || s.Concurrency > maxConcurrency {
		d.rejectOnce("sweep.concurrency", "%d is out of bounds; write 1 to %d", s.Concurrency, maxConcurrency)
	}
}

func (d *document) checkFindings(f Findings) {
	d.checkDuration("findings.interval", f.Interval, shortest)
	d.checkDuration("findings.full_interval", f.FullInterval, shortest)
	if d.valid("findings.interval", "findings.full_interval") && f.FullInterval < f.Interval {
		if d.isSet("findings.full_interval") {
			d.rejectOnce("findings.full_interval", "%s is shorter than findings.interval; write at least %s", f.FullInterval, f.Interval)
		} else {
			d.rejectOnce("findings.interval", "%s is longer than the default of findings.full_interval, %s; set that to at least %s", f.Interval, f.FullInterval, f.Interval)
		}
	}
	if f.PublicResources < 0 || f.PublicResources > maxPublicResources {
		d.rejectOnce("findings.public_resources", "%d is out of bounds; write 0, which lists none, to %d", f.PublicResources, maxPublicResources)
	}
	d.checkList("findings.statuses", f.Statuses, statuses)
	if len(f.Statuses) == 0 {
		d.rejectOnce("findings.statuses", "is empty; %s, or set findings.enabled: false", statuses.remedy(""))
	}
}

func (d *document) checkAccounts(a Accounts, role string) {
	d.checkValue("accounts.discovery", a.Discovery, discoveries)
	d.checkDuration("accounts.refresh", a.Refresh, shortest)
	d.checkList("accounts.include", a.Include, accountIDs)
	d.checkList("accounts.exclude", a.Exclude, accountIDs)
	d.checkDisjoint("accounts.exclude", "", a.Exclude, "accounts.include", a.Include)
	d.checkList("accounts.organization_admins", a.OrganizationAdmins, accountIDs)
	d.checkLabels(a)

	ids := make([]string, len(a.Static))
	for i, s := range a.Static {
		key := fmt.Sprintf("accounts.static[%d]", i)
		d.checkValue(key+".id", s.ID, accountIDs)
		d.checkStaticRole(key+".role_arn", s, role)
		ids[i] = s.ID
	}
	d.checkUnique("accounts.static", ".id", ids)
	d.checkDisjoint("accounts.static", ".id", ids, "accounts.exclude", a.Exclude)
}

func (d *document) checkStaticRole(key string, s StaticAccount, role string) {
	if s.RoleARN == "" {
		if role == "" && d.valid("assume_role.name") {
			d.rejectOnce(key, "is missing; write the ARN of the role to assume in this account, or set assume_role.name")
		}
		return
	}
	d.checkValue(key, s.RoleARN, roleARNs)
	if d.valid(key, parent(key)+".id") && strings.Split(s.RoleARN, ":")[4] != s.ID {
		d.rejectOnce(key, "%s is a role of another account than id: %s; write a role of that account", d.quote(key, s.RoleARN), s.ID)
	}
}

func (d *document) checkAssumeRole(a AssumeRole) {
	if a.Name != "" {
		d.checkValue("assume_role.name", a.Name, roleNames)
	}
	d.checkValue("assume_role.session_name", a.SessionName, sessionNames)
	d.checkValue("assume_role.enter", a.Enter, enterModes)
	key := "assume_role.external_id"
	if a.ExternalIDFile != "" {
		key = "assume_role.external_id_file"
	}
	if a.ExternalID != "" && (!externalID.MatchString(a.ExternalID) || len(a.ExternalID) > maxExternalID) {
		// Without the value: it is a secret.
		d.rejectOnce(key, "is not an external ID; write 2 to %d letters, digits or any of _+=,.@:/-", maxExternalID)
	}
}

// readExternalID reads the external ID from its file.
func (d *document) readExternalID(c *Config, secret func(file, path string) (string, error)) {
	const key = "assume_role.external_id_file"
	a := &c.AssumeRole
	switch {
	case a.ExternalIDFile == "" || !d.valid(key):
		return
	case a.ExternalID != "":
		d.rejectValue(key, "is set together with assume_role.external_id; remove one of them")
		return
	}
	if secret == nil {
		return
	}
	value, err := secret(d.file, a.ExternalIDFile)
	if err == nil && value == "" {
		err = errors.New("the file is empty")
	}
	if err != nil {
		d.rejectValue(key, "cannot be read (%v); write the path of a file that has the external ID", err)
		return
	}
	a.ExternalID = value
}

func (d *document) checkCoverage(c Coverage) {
	for _, a := range c.accesses() {
		key := "coverage." + a.name + ".scopes"
		d.checkList(key, a.Scopes, scopes)
		if len(a.Scopes) == 0 {
			d.rejectOnce(key, "is empty, so no analyzer could cover; %s, or both", scopes.remedy(""))
		}
	}
	first := map[[3]string]int{}
	for i, e := range c.Exemptions {
		key := fmt.Sprintf("coverage.exemptions[%d]", i)
		d.checkExemption(key, e)
		target := [3]string{e.Account, e.Region, e.Access}
		if j, again := first[target]; !again {
			first[target] = i
		} else if d.valid(key+".account", key+".region", key+".access") {
			d.rejectOnce(key, "exempts the same as coverage.exemptions[%d]; remove one of them", j)
		}
	}
}

func (d *document) checkExemption(key string, e Exemption) {
	region, access := key+".region", key+".access"
	d.checkValue(key+".account", e.Account, exemptAccounts)
	d.checkValue(region, e.Region, exemptRegions)
	d.checkValue(access, e.Access, exemptAccesses)
	switch n := utf8.RuneCountInString(e.Reason); {
	case strings.TrimSpace(e.Reason) == "":
		d.rejectOnce(key+".reason", "is missing; write why no analyzer is required (shown on the dashboards)")
	case n > maxReason:
		d.rejectOnce(key+".reason", "has %d characters; write at most %d, because it is the value of a label", n, maxReason)
	}
	switch {
	case !d.valid(region, access):
	case e.Access == "unused" && e.Region != "global" && e.Region != "*":
		d.rejectOnce(region, `%s never matches unused access, which is evaluated per account; write global or "*"`, d.quote(region, e.Region))
	case e.Region == "global" && e.Access != "unused" && e.Access != "*":
		d.rejectOnce(region, `global never matches %s access, which is evaluated per Region; write a Region or "*"`, e.Access)
	}
}

// checkMembers rejects a policy that accepts account analyzers of members without a
// role to read them.
func (d *document) checkMembers(c *Config) {
	if c.Accounts.Discovery != DiscoveryOrganization || c.AssumeRole.Name != "" || !d.valid("assume_role.name") {
		return
	}
	var unreadable []string
	for _, a := range c.Coverage.accesses() {
		if a.Required && slices.Contains(a.Scopes, "account") {
			unreadable = append(unreadable, "coverage."+a.name)
		}
	}
	if len(unreadable) > 0 {
		keys := strings.Join(unreadable, " and ")
		d.rejectOnce("accounts.discovery", "organization requires assume_role.name, because the scopes of %s include account and account analyzers can only be read by assuming a role in each member; set assume_role.name, or set scopes: [organization] in %s", keys, keys)
	}
}

// checkUnusedRegions rejects a filter of Regions if unused access analyzers are
// required: one in any Region covers, so that no account could be uncovered.
func (d *document) checkUnusedRegions(c *Config) {
	if !c.Coverage.Unused.Required {
		return
	}
	for key, filter := range map[string][]string{"regions.include": c.Regions.Include, "regions.exclude": c.Regions.Exclude} {
		if len(filter) > 0 {
			d.rejectOnce(key, "contradicts coverage.unused.required: IAM is global, and the Regions that it excludes may have the analyzer; "+
				"remove it and exempt Regions instead (coverage.exemptions), or set coverage.unused.required: false")
		}
	}
}

type namedAccess struct {
	name string
	Access
}

func (c Coverage) accesses() []namedAccess {
	return []namedAccess{{"external", c.External}, {"unused", c.Unused}, {"internal", c.Internal}}
}

func (d *document) checkDuration(key string, value, least model.Duration) {
	if value < least {
		d.rejectOnce(key, "%s is too short; write at least %s", value, least)
	}
	if value > longest {
		d.rejectOnce(key, "%s is too long; write at most %s", value, longest)
	}
}

func (d *document) checkList(key string, values []string, k kind) {
	for i, s := range values {
		d.checkValue(fmt.Sprintf("%s[%d]", key, i), s, k)
	}
	d.checkUnique(key, "", values)
}

func (d *document) checkValue(key, value string, k kind) {
	remedy := k.remedy(value)
	switch {
	case remedy == "":
	case !d.isSet(key):
		d.rejectOnce(key, "is missing; %s", remedy)
	case value == "":
		d.rejectOnce(key, "is empty; %s", remedy)
	default:
		d.rejectOnce(key, "%s is not %s; %s", d.quote(key, value), k.noun, remedy)
	}
}

// checkUnique rejects the second of two equal values. The value of item i is at
// list[i]field.
func (d *document) checkUnique(list, field string, values []string) {
	first := map[string]string{}
	for i, s := range values {
		item := fmt.Sprintf("%s[%d]", list, i)
		if before, again := first[s]; again {
			d.rejectOnce(item+field, "%s is listed twice, first as %s; remove one of them", d.quote(item+field, s), before)
		} else {
			first[s] = item
		}
	}
}

// checkDisjoint rejects values that are also in another list.
func (d *document) checkDisjoint(list, field string, values []string, other string, others []string) {
	inOther := map[string]bool{}
	for _, s := range others {
		inOther[s] = true
	}
	for i, s := range values {
		if inOther[s] {
			key := fmt.Sprintf("%s[%d]%s", list, i, field)
			d.rejectOnce(key, "%s is also in %s; remove it from one of them", d.quote(key, s), other)
		}
	}
}

// rejectOnce adds an error at key unless its value is already invalid: further
// errors are consequences of the first.
func (d *document) rejectOnce(key, format string, args ...any) {
	if d.valid(key) {
		d.rejectValue(key, format, args...)
	}
}

// isSet reports whether the file sets key.
func (d *document) isSet(key string) bool {
	_, ok := d.nodes[key]
	return ok
}

// valid reports whether the values at the keys, and the sections that contain them,
// have no errors.
func (d *document) valid(keys ...string) bool {
	for _, key := range keys {
		for ; key != ""; key = parent(key) {
			if d.invalid[key] {
				return false
			}
		}
	}
	return !d.invalid[""]
}

func (d *document) checkAWS(a AWS) {
	if a.SSOStartURL != "" && !isPortal(a.SSOStartURL) {
		// Without the value: a URL can contain a password.
		d.rejectOnce("aws.sso_start_url", "is not the URL of an AWS access portal; write it without # and what follows, such as https://example.awsapps.com/start")
	}
	if a.SSORole != "" {
		d.checkValue("aws.sso_role", a.SSORole, permissionSets)
		if a.SSOStartURL == "" && d.valid("aws.sso_start_url") {
			d.rejectOnce("aws.sso_role", "is set without aws.sso_start_url; set that too")
		}
	}
	if a.ConsoleURL == "" {
		return
	}
	if a.SSOStartURL != "" && d.valid("aws.sso_start_url") {
		d.rejectOnce("aws.console_url", "is set together with aws.sso_start_url; remove one of them")
	}
	if problem := templateProblem(a.ConsoleURL); problem != "" {
		d.rejectOnce("aws.console_url", "%s; write a URL such as https://portal.example.org/aws?account={account_id}&to={destination}", problem)
	}
}

// isPortal reports whether s is an https URL without a password, query or fragment.
func isPortal(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && !strings.ContainsAny(s, "?#{}"+quotes)
}

// quotes are characters that end a link in rules or dashboards, or have to be escaped.
const quotes = "'\"\\`<> "

// templateProblem says what is wrong with a template for links; "" if nothing is.
func templateProblem(template string) string {
	filled := template
	for _, p := range console.Placeholders {
		filled = strings.ReplaceAll(filled, "{"+p+"}", "x")
	}
	u, err := url.Parse(filled)
	host, _, _ := strings.Cut(strings.TrimPrefix(template, "https://"), "/")
	switch {
	case err != nil, u.Scheme != "https", u.Hostname() == "", u.User != nil:
		return "is not an https URL"
	case strings.ContainsAny(template, quotes):
		return "has a space, a quote, < or >"
	case strings.Contains(host, "{"):
		return "has a placeholder in its host"
	case strings.ContainsAny(filled, "{}"):
		return "has an unknown placeholder; use {" + strings.Join(console.Placeholders, "}, {") + "}"
	case !strings.Contains(template, console.Destination):
		return "has no " + console.Destination
	}
	return ""
}

// isQueueURL reports whether s has the format of an SQS queue URL, on any host.
func isQueueURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil &&
		u.RawQuery == "" && u.Fragment == "" && queuePath.MatchString(u.EscapedPath())
}
