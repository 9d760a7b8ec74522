package report

import (
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Commands are pasted into a shell with administrator rights, so every value that
// AWS returns is quoted.

// analyzerTypes are the types of account analyzers in the API. Types of
// organization analyzers have ORGANIZATION instead of ACCOUNT.
var analyzerTypes = map[inventory.Access]string{
	inventory.External: "ACCOUNT",
	inventory.Unused:   "ACCOUNT_UNUSED_ACCESS",
	inventory.Internal: "ACCOUNT_INTERNAL_ACCESS",
}

// configurations are examples of the configuration that CreateAnalyzer requires
// for a type; the advice says which value to choose.
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

// quoted returns s as one word of a POSIX shell, without control characters.
func quoted(s string) string { return shellescape.Quote(Printable(s)) }

// repair returns how to make an analyzer ACTIVE again, and in which account to
// run the commands.
func (s *Summary) repair(a *inventory.Analyzer, regions []string) (advice, command, runIn string, steps []Step) {
	own := s.Name(a.AccountID)
	look := inRegions(regions, "aws accessanalyzer get-analyzer --analyzer-name "+quoted(a.Name))
	switch {
	case a.ManagedBy != "":
		return "It is managed by " + Printable(a.ManagedBy) + " and can only be restored there. This shows its state:", look, own, nil
	case a.Status == "CREATING":
		return "AWS is still creating it. This shows its state:", look, own, nil
	case a.StatusReason == "AWS_SERVICE_ACCESS_DISABLED":
		return "Access Analyzer has lost its trusted access to the organization. This restores it:",
			"aws organizations enable-aws-service-access --service-principal access-analyzer.amazonaws.com", "the management account", nil
	case a.StatusReason == "DELEGATED_ADMINISTRATOR_DEREGISTERED":
		return "Its account is no longer a delegated administrator of Access Analyzer, so AWS disabled its analyzers. This creates one in the current administrator account:",
			createAnalyzer(a.Access(), inventory.OrganizationScope, regions), s.admin(a.AccountID), nil
	case a.StatusReason == "ORGANIZATION_DELETED":
		return "Its organization was deleted. Each account needs an account analyzer:",
			createAnalyzer(a.Access(), inventory.AccountScope, regions), "each of the accounts", nil
	case a.StatusReason == "SERVICE_LINKED_ROLE_CREATION_FAILED":
		return "AWS could not create its service-linked role. This creates the role:",
			"aws iam create-service-linked-role --aws-service-name access-analyzer.amazonaws.com", own, replace(a, regions)
	case a.Status == "FAILED":
		return "AWS recommends to delete and re-create it. This shows its state:", look, own, replace(a, regions)
	}
	return "This shows its state and the reason:", look, own, nil
}

// replace deletes an analyzer and creates it again. What the deletion loses is shown
// before, and each step is a command of its own.
func replace(a *inventory.Analyzer, regions []string) []Step {
	named := " --analyzer-name " + quoted(a.Name)
	return []Step{
		{"This lists its archive rules. Save them, because the next step deletes them:", inRegions(regions, "aws accessanalyzer list-archive-rules"+named)},
		{"This deletes the analyzer with its findings, archive rules and configuration:", inRegions(regions, "aws accessanalyzer delete-analyzer"+named)},
		{"This creates it again, without archive rules:", inRegions(regions, createNamed(a.Name, a.Type, a.Access()))},
	}
}

// admin is the account in which to create organization analyzers: a delegated
// administrator, else the management account. The account except is no longer
// one.
func (s *Summary) admin(except string) string {
	for _, role := range []inventory.Role{inventory.DelegatedAdmin, inventory.Management} {
		i := slices.IndexFunc(s.snapshot.Accounts, func(a *inventory.Account) bool { return a.Role == role && a.ID != except })
		if i >= 0 {
			return s.Name(s.snapshot.Accounts[i].ID)
		}
	}
	return "the delegated administrator or the management account"
}
