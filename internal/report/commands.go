package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Commands are copied into a shell with rights to change things. Whatever comes
// from AWS is quoted.

// analyzerTypes are AWS' names for the analyzers of each access: an account's
// own, with ORGANIZATION in place of ACCOUNT for those of an organization.
var analyzerTypes = map[inventory.Access]string{
	inventory.External: "ACCOUNT",
	inventory.Unused:   "ACCOUNT_UNUSED_ACCESS",
	inventory.Internal: "ACCOUNT_INTERNAL_ACCESS",
}

// configurations are what CreateAnalyzer wants to know beyond the type. Those
// who run the command are told to choose their own.
var configurations = map[inventory.Access]string{
	inventory.Unused:   `{"unusedAccess":{"unusedAccessAge":90}}`,
	inventory.Internal: `{"internalAccess":{"analysisRule":{"inclusions":[{"resourceTypes":["AWS::S3::Bucket"]}]}}}`,
}

// createAnalyzer is the command that creates an analyzer in each Region.
func createAnalyzer(access inventory.Access, scope inventory.Scope, regions []string) string {
	name, kind := string(access)+"-access", analyzerTypes[access]
	if scope == inventory.OrganizationScope {
		name, kind = "organization-"+name, strings.Replace(kind, "ACCOUNT", "ORGANIZATION", 1)
	}
	return inRegions(regions, createNamed(name, kind, access))
}

func createNamed(name, kind string, access inventory.Access) string {
	command := "aws accessanalyzer create-analyzer --analyzer-name " + quoted(name) + " --type " + quoted(kind)
	if c := configurations[access]; c != "" {
		command += " --configuration " + quoted(c)
	}
	return command
}

// inRegions runs commands one after the other, in one Region or in several.
func inRegions(regions []string, commands ...string) string {
	region := `"$region"`
	if len(regions) == 1 {
		region = quoted(regions[0])
	}
	for i := range commands {
		commands[i] += " --region " + region
	}
	all := strings.Join(commands, " && ")
	if len(regions) == 1 {
		return all
	}
	words := make([]string, len(regions))
	for i, r := range regions {
		words[i] = quoted(r)
	}
	return "for region in " + strings.Join(words, " ") + "; do " + all + "; done"
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+][A-Za-z0-9_./:=@%+,-]*$`)

// quoted makes one word of a POSIX shell of anything.
func quoted(s string) string {
	s = Printable(s)
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// repair is what brings an analyzer that is not ACTIVE back, and who runs it.
func (s *Summary) repair(a *inventory.Analyzer, regions []string) (advice, command, runIn string) {
	own := s.Name(a.AccountID)
	look := inRegions(regions, "aws accessanalyzer get-analyzer --analyzer-name "+quoted(a.Name))
	replace := inRegions(regions, "aws accessanalyzer delete-analyzer --analyzer-name "+quoted(a.Name), createNamed(a.Name, a.Type, a.Access()))
	switch {
	case a.ManagedBy != "":
		return "It is managed by " + Printable(a.ManagedBy) + " and can only be brought back there. This shows its state:", look, own
	case a.Status == "CREATING":
		return "AWS is still creating it. This shows its state:", look, own
	case a.StatusReason == "AWS_SERVICE_ACCESS_DISABLED":
		return "Access Analyzer has lost its trusted access to the organization. This gives it back:",
			"aws organizations enable-aws-service-access --service-principal access-analyzer.amazonaws.com", "the management account"
	case a.StatusReason == "DELEGATED_ADMINISTRATOR_DEREGISTERED":
		return "Its account no longer administers Access Analyzer, and AWS keeps what it held disabled. The account that does now needs analyzers of its own:",
			createAnalyzer(a.Access(), inventory.OrganizationScope, regions), s.admin(a.AccountID)
	case a.StatusReason == "ORGANIZATION_DELETED":
		return "Its organization is gone. Each account needs an analyzer of its own:",
			createAnalyzer(a.Access(), inventory.AccountScope, regions), "each of the accounts"
	case a.StatusReason == "SERVICE_LINKED_ROLE_CREATION_FAILED":
		return "Its service-linked role could not be created. Create the role, then the analyzer anew (its findings, archive rules and configuration go with the old one):",
			"aws iam create-service-linked-role --aws-service-name access-analyzer.amazonaws.com && " + replace, own
	case a.Status == "FAILED":
		return "AWS' advice is to delete and create it anew; its findings, archive rules and configuration go with it:", replace, own
	}
	return "This shows its state and the reason:", look, own
}

// admin says where organization analyzers are created: in an account that
// administers Access Analyzer, other than the one that no longer does.
func (s *Summary) admin(except string) string {
	for _, role := range []inventory.Role{inventory.DelegatedAdmin, inventory.Management} {
		i := slices.IndexFunc(s.snapshot.Accounts, func(a *inventory.Account) bool { return a.Role == role && a.ID != except })
		if i >= 0 {
			return s.Name(s.snapshot.Accounts[i].ID)
		}
	}
	return "the delegated administrator or the management account"
}
