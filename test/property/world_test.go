package property

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

const (
	// hub is the same in all draws, so that its access key can be in the
	// environment from the start; its role in the organization varies.
	hub      = "444444444444"
	roleName = "exporter"
)

var (
	// start is when a synctest bubble begins.
	start = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	// epoch is when the analyzers of the first sweep were created, one a minute.
	epoch = start.AddDate(0, -1, 0)
)

// world is AWS at one moment.
type world struct {
	// home has the hub, its organization if it is in one, and accounts on
	// their own.
	home *simaws.World
	// other is a second organization, nil if there is none. Its world also has
	// the hub, because the simulator requires the caller of AssumeRole.
	other *simaws.World
}

func (w world) parts() []*simaws.World {
	if w.other == nil {
		return []*simaws.World{w.home}
	}
	return []*simaws.World{w.home, w.other}
}

// of finds an account and the world of its organization.
func (w world) of(id string) (*simaws.World, *simaws.Account) {
	for _, part := range w.parts() {
		if a := part.Account(id); a != nil {
			return part, a
		}
	}
	return nil, nil
}

// accounts are all that there are, the hub once.
func (w world) accounts() []*simaws.Account {
	accounts := slices.Clone(w.home.Accounts)
	if w.other != nil {
		accounts = append(accounts, w.other.Accounts[1:]...)
	}
	return accounts
}

func (w world) analyzers() []*simaws.Analyzer {
	var all []*simaws.Analyzer
	for _, part := range w.parts() {
		all = append(all, part.Analyzers...)
	}
	return all
}

// clone is a copy that can be changed. Slices are replaced and their elements
// never written to, so that copies can share them.
func (w world) clone() world {
	c := world{home: clonePart(w.home)}
	if w.other != nil {
		c.other = clonePart(w.other)
	}
	return c
}

func clonePart(w *simaws.World) *simaws.World {
	c := &simaws.World{Caller: w.Caller, PageSizes: w.PageSizes, Quirks: w.Quirks}
	if w.Organization != nil {
		org := *w.Organization
		org.DelegatedAdmins = maps.Clone(org.DelegatedAdmins)
		org.OUNames = maps.Clone(org.OUNames)
		c.Organization = &org
	}
	for _, a := range w.Accounts {
		account := *a
		c.Accounts = append(c.Accounts, &account)
	}
	for _, a := range w.Analyzers {
		analyzer := *a
		c.Analyzers = append(c.Analyzers, &analyzer)
	}
	return c
}

// drawing makes one draw.
type drawing struct {
	*rand.Rand
	regions []simaws.Region // to draw from; the status is ENABLED for opt-in Regions
	// created dates analyzers; each has a time of its own.
	created int
	// density is the probability of each possible analyzer, in percent.
	density int
	// accessible worlds have no account that cannot be read.
	accessible bool
	// large worlds have analyzers with more findings than are always counted in
	// full, made numbers findings.
	large bool
	made  int
	// externalID is the external ID that roles require, or empty.
	externalID string
	// labels draws what accounts.labels is about, so that it does not change the
	// other draws.
	labels *drawing
}

func (d *drawing) percent(p int) bool { return d.IntN(100) < p }

func pick[T any](d *drawing, from ...T) T { return from[d.IntN(len(from))] }

// some is a random part of a list, in random order.
func some[T any](d *drawing, p int, from []T) []T {
	var part []T
	for _, i := range d.Perm(len(from)) {
		if d.percent(p) {
			part = append(part, from[i])
		}
	}
	return part
}

// number is small more often than large.
func (d *drawing) number(least, most int) int {
	return least + min(d.IntN(most-least+1), d.IntN(most-least+1))
}

func newDrawing(seed, draw uint64) *drawing {
	d := &drawing{Rand: rand.New(rand.NewPCG(seed, draw)), labels: &drawing{Rand: rand.New(rand.NewPCG(^seed, draw))}}
	d.regions = []simaws.Region{{Name: pick(d, "us-east-1", "us-east-1", "eu-west-1"), Status: "ENABLED_BY_DEFAULT"}}
	for _, r := range []simaws.Region{
		{Name: "eu-central-1", Status: "ENABLED_BY_DEFAULT"},
		{Name: "eu-south-1", Status: "ENABLED"},
		{Name: "af-south-1", Status: "ENABLED"},
		{Name: "zz-north-9", Status: "ENABLED"}, // in no built-in list
	} {
		if d.percent(35) {
			d.regions = append(d.regions, r)
		}
	}
	d.density = pick(d, 10, 30, 60, 90)
	d.accessible = d.percent(60)
	if d.percent(15) {
		d.externalID = "an-external-id"
	}
	return d
}

// structure draws a world without analyzers.
func (d *drawing) structure() world {
	home := &simaws.World{Caller: simaws.Caller{AccountID: hub}, PageSizes: d.pageSizes(), Quirks: d.quirks()}
	ids := []string{"000000000007", "111111111111", "333333333333", "555555555555", "777777777777", "999999999999"}
	d.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	next := func() string {
		id := ids[0]
		ids = ids[1:]
		return id
	}
	home.Accounts = []*simaws.Account{d.account(hub, "hub")}
	home.Accounts[0].State = pick(d, "", "", "", "PENDING_CLOSURE")
	if d.percent(85) {
		for range d.number(0, 3) {
			home.Accounts = append(home.Accounts, d.account(next(), "member"))
		}
		d.organize(home, "o-home000001")
	} else {
		home.Accounts[0].Standalone = true
	}
	if d.percent(15) {
		alone := d.account(next(), "alone")
		alone.Standalone, alone.State = true, ""
		home.Accounts = append(home.Accounts, alone)
	}
	if !d.accessible && d.percent(5) {
		home.Caller.Actions = d.actions()
	}
	w := world{home: home}
	if d.percent(10) {
		w.other = &simaws.World{Caller: home.Caller, PageSizes: home.PageSizes, Quirks: home.Quirks}
		for range d.number(1, 2) {
			a := d.account(next(), "foreign")
			a.State = ""
			w.other.Accounts = append(w.other.Accounts, a)
		}
		d.organize(w.other, "o-other00001")
		w.other.Accounts = append([]*simaws.Account{{ID: hub, Standalone: true}}, w.other.Accounts...)
	}
	return w
}

// organize makes an organization of the accounts of a world.
func (d *drawing) organize(w *simaws.World, id string) {
	org := &simaws.Organization{ID: id, TrustedServices: []string{simaws.AccessAnalyzerPrincipal}, DelegatedAdmins: map[string][]string{}}
	w.Organization = org
	management := 0
	if len(w.Accounts) > 1 && !d.percent(25) {
		management = 1
	}
	org.ManagementID = w.Accounts[management].ID
	w.Accounts[management].State = ""
	var admins []string
	for i, a := range w.Accounts {
		p := 15
		if i == 0 {
			p = 80
		}
		if i != management && len(admins) < 2 && d.percent(p) {
			admins = append(admins, a.ID)
		}
	}
	org.DelegatedAdmins[simaws.AccessAnalyzerPrincipal] = admins
	if d.percent(40) {
		org.TrustedServices = append(org.TrustedServices, simaws.AccountManagementPrincipal)
		org.DelegatedAdmins[simaws.AccountManagementPrincipal] = admins
	}
}

func (d *drawing) account(id, name string) *simaws.Account {
	a := &simaws.Account{ID: id, Name: name + " " + id[:2], Regions: d.accountRegions(), Roles: d.roles(), Tags: d.labels.tags(), OUs: d.labels.ous()}
	if !d.percent(85) {
		a.State = d.state()
	}
	return a
}

func (d *drawing) state() string {
	return pick(d, "PENDING_CLOSURE", "PENDING_CLOSURE", "SUSPENDED", "CLOSED", "PENDING_ACTIVATION", "UNHEARD_OF")
}

func (d *drawing) accountRegions() []simaws.Region {
	var regions []simaws.Region
	for _, r := range d.regions {
		if r.Status == "ENABLED" && d.percent(50) {
			r.Status = pick(d, "DISABLED", "DISABLED", "ENABLING", "DISABLING", "UNHEARD_OF")
		}
		regions = append(regions, r)
	}
	return regions
}

var readActions = []string{
	"access-analyzer:ListAnalyzers", "access-analyzer:GetAnalyzer", "access-analyzer:ListArchiveRules", "access-analyzer:ListFindings", "access-analyzer:GetFindingsStatistics",
	"account:ListRegions", "organizations:DescribeOrganization", "organizations:ListAccounts", "organizations:ListDelegatedAdministrators", "sts:AssumeRole",
}

// actions are all that the exporter needs, less one.
func (d *drawing) actions() []string {
	missing := d.IntN(len(readActions))
	// As with SecurityAudit, Regions can be queried one by one.
	actions := append(slices.Delete(slices.Clone(readActions), missing, missing+1), "account:GetRegionOptStatus")
	return append(actions, some(d.labels, 80, labelActions)...)
}

func (d *drawing) roles() []*simaws.Role {
	r := &simaws.Role{Name: roleName, Trusts: []string{hub}, ExternalID: d.externalID}
	if !d.accessible && d.percent(30) {
		switch d.IntN(5) {
		case 0:
			return nil
		case 1:
			r.Trusts = []string{"888888888888"}
		case 2:
			r.ExternalID = "another-external-id"
		default:
			r.Actions = d.actions()
		}
	}
	return []*simaws.Role{r}
}

func (d *drawing) pageSizes() map[string]int {
	sizes := map[string]int{}
	for _, operation := range []string{"ListAnalyzers", "ListArchiveRules", "ListFindings", "ListFindingsV2", "ListAccounts", "ListDelegatedAdministrators", "ListRegions"} {
		if d.percent(25) {
			sizes[operation] = d.number(1, 3)
		}
	}
	if d.labels.percent(25) {
		sizes["ListTagsForResource"] = d.labels.number(1, 3)
	}
	return sizes
}

func (d *drawing) quirks() simaws.Quirks {
	without := d.IntN(5)
	return simaws.Quirks{
		MembersSeeOrganizationAnalyzers: d.percent(40),
		NoAccountStatus:                 without == 0,
		NoAccountState:                  without == 1,
		EmptyPages:                      d.percent(10),
	}
}

// populate puts analyzers everywhere. holders are the accounts that may hold
// ACTIVE organization analyzers; nil means all that AWS allows.
func (d *drawing) populate(w world, holders []string) {
	for _, part := range w.parts() {
		for _, a := range part.Accounts {
			for _, r := range enabledRegions(a) {
				for range d.analyzersAt(part, a.ID, holders) {
					d.addAnalyzer(part, a.ID, r, holders)
				}
			}
		}
	}
}

func (d *drawing) analyzersAt(w *simaws.World, id string, holders []string) int {
	n := 0
	most := 3
	if mayHold(w, id, holders) {
		most = 5
	}
	for range most {
		if d.percent(d.density) {
			n++
		}
	}
	return n
}

// mayHold reports whether an organization analyzer of the account can have
// another status than DISABLED.
func mayHold(w *simaws.World, id string, holders []string) bool {
	a := w.Account(id)
	return slices.Contains(administrators(w), id) && !a.Standalone && inUse(a) && (holders == nil || slices.Contains(holders, id))
}

// addAnalyzer adds one of a random type where AWS would have it.
func (d *drawing) addAnalyzer(w *simaws.World, id, region string, holders []string) {
	kind := pick(d, "ACCOUNT", "ACCOUNT", "ACCOUNT_UNUSED_ACCESS", "ACCOUNT_INTERNAL_ACCESS")
	switch {
	case mayHold(w, id, holders) && d.percent(50):
		kind = "ORGANIZATION" + pick(d, "", "", "_UNUSED_ACCESS", "_INTERNAL_ACCESS")
	case w.Organization != nil && d.percent(4):
		kind = "ORGANIZATION" + pick(d, "", "_UNUSED_ACCESS", "_INTERNAL_ACCESS")
	case d.percent(3):
		kind = pick(d, "ACCOUNT_UNHEARD_OF_ACCESS", "ORGANIZATION_UNHEARD_OF_ACCESS", "UNHEARD_OF")
	}
	d.created++
	a := &simaws.Analyzer{
		AccountID: id, Region: region, Name: fmt.Sprintf("%s-%d", strings.ToLower(strings.TrimSuffix(kind, "_ACCESS")), d.IntN(2)),
		Type: kind, Status: d.status(),
	}
	for range d.number(0, 2) {
		a.ArchiveRules = append(a.ArchiveRules, &simaws.ArchiveRule{Name: fmt.Sprintf("rule-%d", len(a.ArchiveRules)), CreatedAt: epoch, UpdatedAt: epoch})
	}
	if strings.HasSuffix(kind, "_UNUSED_ACCESS") && d.percent(20) {
		a.Name, a.ManagedBy = fmt.Sprintf("_AccessAnalyzerForSecurityHub-%d", d.IntN(2)), "securityhubv2.amazonaws.com"
	}
	d.create(w, a)
	if w.Analyzer(a.ARN()) == nil {
		w.Analyzers = append(w.Analyzers, a)
	}
	disableOrphans(w, holders)
}

func (d *drawing) status() string {
	if d.percent(65) {
		return "ACTIVE"
	}
	return pick(d, "CREATING", "DISABLED", "FAILED", "UNHEARD_OF")
}

// create gives an analyzer what it has from its creation on.
func (d *drawing) create(w *simaws.World, a *simaws.Analyzer) {
	d.created++
	a.CreatedAt = epoch.Add(time.Duration(d.created) * time.Minute)
	a.Unused, a.Internal, a.RawConfiguration, a.Findings = nil, nil, nil, nil
	switch {
	case strings.HasSuffix(a.Type, "_UNUSED_ACCESS"):
		a.Unused = &simaws.UnusedAccess{Age: d.number(1, 365), Exclusions: d.exclusions(w, a)}
	case strings.HasSuffix(a.Type, "_INTERNAL_ACCESS"):
		a.Internal = &simaws.InternalAccess{}
		for range d.number(0, 3) {
			a.Internal.Inclusions = append(a.Internal.Inclusions, d.inclusion(w, a))
		}
	}
	if d.percent(4) {
		a.RawConfiguration = d.unheardOf(a)
	}
	n := 0
	switch {
	case d.large && d.percent(50):
		n = d.number(5, 10) * w.PageSizes[listFindings(a)]
	case d.percent(40):
		n = d.number(1, 4)
	}
	for i := range n {
		d.addFinding(w, a, a.CreatedAt.Add(time.Duration(i)*time.Hour/4))
	}
}

func (d *drawing) exclusions(w *simaws.World, a *simaws.Analyzer) []simaws.Exclusion {
	var exclusions []simaws.Exclusion
	if isOrganization(a) && d.percent(60) {
		var ids []string
		for _, id := range some(d, 40, append(memberIDs(w), "888888888888")) {
			if id != a.AccountID { // AWS rejects its owner
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			exclusions = append(exclusions, simaws.Exclusion{AccountIDs: ids})
			if d.percent(15) {
				exclusions[0].ResourceTags = []map[string]string{{"team": "some"}}
			}
		}
	}
	if d.percent(20) {
		exclusions = append(exclusions, simaws.Exclusion{ResourceTags: []map[string]string{{"team": "none"}}})
	}
	return exclusions
}

// unheardOf draws a configuration that is not in the API model; nil for analyzers
// that have none.
func (d *drawing) unheardOf(a *simaws.Analyzer) json.RawMessage {
	switch {
	case a.Unused != nil:
		return json.RawMessage(pick(d, `null`, `{}`, `{"unheardOf":{}}`,
			`{"unusedAccess":{"unusedAccessAge":90,"unheardOf":["x"]}}`,
			`{"unusedAccess":{"unusedAccessAge":90,"analysisRule":{"exclusions":[{"unheardOf":["x"]}]}}}`))
	case a.Internal != nil:
		return json.RawMessage(pick(d, `null`, `{}`, `{"unheardOf":{}}`,
			`{"internalAccess":{"analysisRule":{"inclusions":[{"unheardOf":["x"]}]}}}`,
			`{"internalAccess":{"analysisRule":{"inclusions":[{"resourceTypes":["AWS::S3::Bucket"],"unheardOf":["x"]}]}}}`,
			`{"internalAccess":{"analysisRule":{"inclusions":[{"resourceTypes":["AWS::S3::Bucket"]}],"unheardOf":["x"]}}}`))
	}
	return nil
}

// inclusion draws a criterion that is not empty.
func (d *drawing) inclusion(w *simaws.World, a *simaws.Analyzer) simaws.Inclusion {
	var in simaws.Inclusion
	ids := []string{a.AccountID}
	if isOrganization(a) {
		ids = append(memberIDs(w), "888888888888")
		if d.percent(40) {
			in.AccountIDs = some(d, 40, ids)
		}
	}
	if d.percent(50) {
		in.ResourceTypes = some(d, 40, internalTypes)
	}
	if d.percent(50) {
		for range d.number(1, 2) {
			in.ResourceARNs = append(in.ResourceARNs, d.resource(a, in, ids))
		}
	}
	if len(in.AccountIDs)+len(in.ResourceTypes)+len(in.ResourceARNs) == 0 {
		in.ResourceTypes = internalTypes[:1]
	}
	return in
}

// internalTypes are the resource types that internal access analyzers support.
var internalTypes = []string{
	"AWS::S3::Bucket", "AWS::S3Express::DirectoryBucket", "AWS::RDS::DBSnapshot", "AWS::RDS::DBClusterSnapshot", "AWS::DynamoDB::Table", "AWS::DynamoDB::Stream",
}

// resource is the ARN of a resource in an account. The ARN of a bucket has
// neither account nor Region, so the bucket's name has them for the oracle. A
// bucket is always in an account that the rest of the criterion includes, because
// the exporter cannot detect otherwise.
func (d *drawing) resource(a *simaws.Analyzer, in simaws.Inclusion, ids []string) string {
	kind, account, region := pick(d, internalTypes...), pick(d, ids...), pick(d, a.Region, a.Region, a.Region, "eu-west-3")
	if kind == "AWS::S3::Bucket" && len(in.AccountIDs) > 0 {
		account = pick(d, in.AccountIDs...)
	}
	location := region + ":" + account
	switch kind {
	case "AWS::S3::Bucket":
		return "arn:aws:s3:::bucket-" + account + "-" + a.Region
	case "AWS::S3Express::DirectoryBucket":
		return "arn:aws:s3express:" + location + ":bucket/data--use1-az4--x-s3"
	case "AWS::RDS::DBSnapshot":
		return "arn:aws:rds:" + location + ":snapshot:nightly"
	case "AWS::RDS::DBClusterSnapshot":
		return "arn:aws:rds:" + location + ":cluster-snapshot:nightly"
	case "AWS::DynamoDB::Table":
		return "arn:aws:dynamodb:" + location + ":table/orders"
	}
	return "arn:aws:dynamodb:" + location + ":table/orders/stream/2026-01-01T00:00:00.000"
}

// addFinding adds a finding that was created at a time.
func (d *drawing) addFinding(w *simaws.World, a *simaws.Analyzer, created time.Time) {
	d.made++
	updated := created
	switch old := created.Before(start.AddDate(0, 0, -7)); {
	case old && len(a.Findings) == 0:
		// The oldest was updated last: one page shows by what a list is sorted.
		updated = created.AddDate(0, 0, 2)
	case old && d.percent(80):
		updated = created.Add(time.Duration(d.IntN(100_000)) * time.Second)
	}
	f := simaws.Finding{
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", d.made), Status: pick(d, "ACTIVE", "ACTIVE", "ARCHIVED", "RESOLVED"), Owner: a.AccountID,
		CreatedAt: created, UpdatedAt: updated, AnalyzedAt: updated,
	}
	if isOrganization(a) {
		f.Owner = pick(d, append(memberIDs(w), a.AccountID)...)
	}
	switch {
	case strings.HasSuffix(a.Type, "_UNUSED_ACCESS"):
		f.Type, f.ResourceType = pick(d, "UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword", "UnusedPermission"), pick(d, "AWS::IAM::Role", "AWS::IAM::User")
	case strings.HasSuffix(a.Type, "_INTERNAL_ACCESS"):
		f.Type, f.ResourceType = "InternalAccess", pick(d, internalTypes...)
	case strings.Contains(a.Type, "UNHEARD_OF"):
		return // the finding types of an unknown analyzer type are unknown
	default:
		f.Type, f.ResourceType = "ExternalAccess", pick(d, "AWS::S3::Bucket", "AWS::IAM::Role", "AWS::KMS::Key")
		f.Public = d.percent(40)
		f.Resource = fmt.Sprintf("arn:aws:s3:::resource-%d", d.made)
		if f.ResourceType == "AWS::IAM::Role" { // analyzers in several Regions report it
			f.Resource = fmt.Sprintf("arn:aws:iam::%s:role/role-%d", f.Owner, d.made%4)
		}
	}
	if !strings.HasSuffix(a.Type, "_UNUSED_ACCESS") && d.percent(15) {
		f.Error, f.Public = pick(d, "ACCESS_DENIED", "INTERNAL_ERROR", "Something went wrong."), false
	}
	a.Findings = append(a.Findings, f)
}

// disableOrphans does what AWS does to analyzers whose account cannot hold
// them any more, and to those in Regions that are gone.
func disableOrphans(w *simaws.World, holders []string) {
	w.Analyzers = slices.DeleteFunc(w.Analyzers, func(a *simaws.Analyzer) bool {
		account := w.Account(a.AccountID)
		return account == nil || !slices.Contains(enabledRegions(account), a.Region)
	})
	for _, a := range w.Analyzers {
		if isOrganization(a) && !mayHold(w, a.AccountID, holders) {
			a.Status, a.StatusReason = "DISABLED", "DELEGATED_ADMINISTRATOR_DEREGISTERED"
		}
	}
}

func isOrganization(a *simaws.Analyzer) bool { return strings.HasPrefix(a.Type, "ORGANIZATION") }

// administrators are the accounts in which AWS lets organization analyzers be
// created.
func administrators(w *simaws.World) []string {
	if w.Organization == nil {
		return nil
	}
	return append([]string{w.Organization.ManagementID}, w.Organization.DelegatedAdmins[simaws.AccessAnalyzerPrincipal]...)
}

// memberIDs are the accounts of the organization, whatever their state.
func memberIDs(w *simaws.World) []string {
	var ids []string
	for _, a := range w.Accounts {
		if w.Organization != nil && !a.Standalone {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// inUse reports whether API calls in the account can succeed.
func inUse(a *simaws.Account) bool {
	return a.State == "" || a.State == "ACTIVE" || a.State == "PENDING_CLOSURE"
}

// inUnknownState reports whether the account is in a state that the exporter does not
// know, so that calls in it may succeed.
func inUnknownState(a *simaws.Account) bool { return a.State == "UNHEARD_OF" }

func enabledRegions(a *simaws.Account) []string {
	var names []string
	for _, r := range a.Regions {
		if r.Status == "ENABLED" || r.Status == "ENABLED_BY_DEFAULT" {
			names = append(names, r.Name)
		}
	}
	return names
}

// change changes analyzers; structural changes also touch accounts, Regions,
// roles and the organization.
func (d *drawing) change(w world, step time.Time, holders []string, structural bool) world {
	w = w.clone()
	for range d.number(1, 4) {
		part := pick(d, w.parts()...)
		if structural && d.percent(40) {
			d.changeStructure(w.home)
			d.labels.relabel(w.home)
		} else {
			d.changeAnalyzer(part, step, holders)
		}
	}
	for _, part := range w.parts() {
		disableOrphans(part, holders)
	}
	return w
}

func (d *drawing) changeAnalyzer(w *simaws.World, step time.Time, holders []string) {
	if len(w.Analyzers) == 0 || d.percent(25) {
		a := pick(d, w.Accounts...)
		if regions := enabledRegions(a); len(regions) > 0 {
			d.addAnalyzer(w, a.ID, pick(d, regions...), holders)
		}
		return
	}
	i := d.IntN(len(w.Analyzers))
	a := w.Analyzers[i]
	switch d.IntN(5) {
	case 0, 1:
		if a.StatusReason = ""; a.Status == "ACTIVE" {
			a.Status = pick(d, "CREATING", "DISABLED", "FAILED", "UNHEARD_OF")
		} else {
			a.Status = "ACTIVE"
		}
	case 2:
		w.Analyzers = slices.Delete(w.Analyzers, i, i+1)
	case 3:
		d.create(w, a) // re-created under the same name
	default:
		a.Findings = slices.Clone(a.Findings)
		d.addFinding(w, a, step.Add(-time.Minute))
	}
}

// enlarge makes pages of findings small, and draws the behavior of sorted lists
// that AWS does not specify.
func (d *drawing) enlarge(w world) {
	size := pick(d, 2, 3, 3)
	ignored, rejected, cold := d.percent(3), d.percent(3), d.percent(15)
	for _, part := range w.parts() {
		part.PageSizes["ListFindings"], part.PageSizes["ListFindingsV2"] = size, size
		part.Quirks.IgnoreSort, part.Quirks.RejectSort, part.Quirks.ColdStatistics = ignored, rejected, cold
	}
}

// changeFindings changes findings shortly before a step.
func (d *drawing) changeFindings(w world, step time.Time, silent bool) world {
	w = w.clone()
	for _, part := range w.parts() {
		for _, a := range part.Analyzers {
			a.Findings = slices.Clone(a.Findings)
			for range d.number(0, 2) {
				at := step.Add(-time.Duration(10+d.IntN(90)) * time.Second)
				d.changeFinding(part, a, at, silent)
			}
		}
	}
	return w
}

func (d *drawing) changeFinding(w *simaws.World, a *simaws.Analyzer, at time.Time, silent bool) {
	if len(a.Findings) == 0 {
		return
	}
	i, j := d.IntN(len(a.Findings)), d.IntN(len(a.Findings))
	f := &a.Findings[i]
	switch d.IntN(8) {
	case 0: // AWS does not list that a finding is gone
		a.Findings = slices.Delete(a.Findings, i, i+1)
	case 1: // the totals stay
		a.Findings = slices.Delete(a.Findings, i, i+1)
		d.addFinding(w, a, at)
	case 2, 3: // the totals stay
		g := &a.Findings[j]
		f.Status, g.Status = g.Status, f.Status
		f.UpdatedAt, g.UpdatedAt = at, at
	case 4:
		d.addFinding(w, a, at)
	case 5:
		if f.Public = f.Type == "ExternalAccess" && f.Error == "" && !f.Public; !silent {
			f.UpdatedAt = at
		}
	default:
		if f.Status = pick(d, "ACTIVE", "ARCHIVED", "RESOLVED"); !silent {
			f.UpdatedAt = at
		}
	}
}

// changeStructure changes the hub's organization, but not the hub's state: its
// credentials must remain valid.
func (d *drawing) changeStructure(w *simaws.World) {
	a := w.Accounts[d.IntN(len(w.Accounts))]
	org := w.Organization
	switch d.IntN(6) {
	case 0:
		if a.ID != hub && org != nil && a.ID != org.ManagementID && !a.Standalone {
			if inUse(a) {
				a.State = d.state()
			} else {
				a.State = ""
			}
		}
	case 1:
		a.Regions = d.accountRegions()
	case 2:
		a.Roles = d.roles()
	case 3:
		if org == nil || a.ID == org.ManagementID || a.Standalone {
			return
		}
		admins := slices.Clone(org.DelegatedAdmins[simaws.AccessAnalyzerPrincipal])
		if i := slices.Index(admins, a.ID); i >= 0 {
			admins = slices.Delete(admins, i, i+1)
		} else {
			admins = append(admins, a.ID)
		}
		org.DelegatedAdmins[simaws.AccessAnalyzerPrincipal] = admins
	case 4:
		if org != nil && a.ID != org.ManagementID && !slices.Contains(administrators(w), a.ID) {
			a.Standalone = !a.Standalone
			if a.Standalone && !inUse(a) {
				a.State = ""
			}
		}
	default:
		id := "888888888888"
		if org != nil && w.Account(id) == nil {
			w.Accounts = append(w.Accounts, d.account(id, "new"))
		}
	}
}
