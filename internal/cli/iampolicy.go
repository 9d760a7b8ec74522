package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/iampolicy"
)

type iamPolicyCommand struct {
	Document       string `arg:"" optional:"" enum:"all,hub,member,trust" default:"all" help:"Document to print. One of: hub (policy of the exporter's own role or user), member (policy of the role in every other account), trust (trust policy of that role), all (one object with the three). Default all."`
	ConfigFile     string `name:"config.file" type:"path" placeholder:"FILE" help:"Path to the configuration file. Without one: only the exporter's own account."`
	Partition      string `name:"partition" default:"aws" help:"AWS partition, such as aws, aws-cn or aws-us-gov. Default aws."`
	HubPrincipal   string `name:"hub-principal" placeholder:"ARN" help:"Role or user that the exporter runs as."`
	OrganizationID string `name:"organization-id" placeholder:"ID" help:"AWS Organizations ID of the exporter's organization. Only principals in this organization can assume the role, and only roles in its accounts can be assumed."`
	SessionTags    bool   `name:"session-tags" help:"Allow session tags, which EKS Pod Identity passes to every assumed role."`
}

var (
	partitionForm      = regexp.MustCompile(`^aws(-[a-z]+)*$`)
	hubPrincipalForm   = regexp.MustCompile(`^arn:(aws(?:-[a-z]+)*):iam::\d{12}:(?:role|user)/[\w+=,.@/-]+$`)
	organizationIDForm = regexp.MustCompile(`^o-[a-z0-9]{10,32}$`)
)

// Validate is called by kong.
func (c iamPolicyCommand) Validate() error {
	principal := hubPrincipalForm.FindStringSubmatch(c.HubPrincipal)
	switch {
	case !partitionForm.MatchString(c.Partition):
		return fmt.Errorf("--partition=%s is not a partition; it is the second part of any ARN, such as aws-us-gov", c.Partition)
	case strings.Contains(c.HubPrincipal, ":assumed-role/"):
		return fmt.Errorf("--hub-principal=%s is a session; name its role, such as arn:%s:iam::123456789012:role/exporter", c.HubPrincipal, c.Partition)
	case c.HubPrincipal != "" && principal == nil:
		return fmt.Errorf("--hub-principal=%s is not the ARN of a role or user, such as arn:%s:iam::123456789012:role/exporter", c.HubPrincipal, c.Partition)
	case principal != nil && principal[1] != c.Partition:
		return fmt.Errorf("--hub-principal=%s is not in the partition %s; add --partition=%s", c.HubPrincipal, c.Partition, principal[1])
	case c.OrganizationID != "" && !organizationIDForm.MatchString(c.OrganizationID):
		return fmt.Errorf("--organization-id=%s is not the ID of an organization, such as o-exampleorg1", c.OrganizationID)
	}
	return nil
}

// Run prints the policies. It makes no API calls.
func (c iamPolicyCommand) Run(o output) error {
	configuration, err := loadConfig(c.ConfigFile)
	if err != nil {
		return err
	}
	policies := iampolicy.For(c.options(configuration))
	if policies.Member == nil && (c.Document == "member" || c.Document == "trust") {
		return errors.New("the configuration has no role to assume; set assume_role.name or accounts.static")
	}
	text := &bytes.Buffer{}
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{
		"all": policies, "hub": policies.Hub, "member": policies.Member, "trust": policies.Trust,
	}[c.Document]); err != nil {
		return err
	}
	for _, placeholder := range []string{iampolicy.PrincipalPlaceholder, iampolicy.OrganizationIDPlaceholder} {
		if bytes.Contains(text.Bytes(), []byte(placeholder)) {
			fmt.Fprintf(o.err, "%s: warning: replace %q in the output, or set the flag\n", app.Name, placeholder)
		}
	}
	_, err = text.WriteTo(o.out)
	return err
}

// options derives the permissions from the options that the exporter runs with, so
// that both agree.
func (c iamPolicyCommand) options(configuration *config.Config) iampolicy.Options {
	f := app.FleetOptions(configuration, app.Unsharded)
	o := iampolicy.Options{
		ListAccounts:       f.Organization,
		Administrators:     f.Organization || f.OrganizationAnalyzers,
		OtherOrganizations: (f.Organization || f.OrganizationAnalyzers) && len(f.Static) > 0,
		OUNames:            f.Organization && f.Labels.OU,
		AccountTags:        f.Organization && len(f.Tags) > 0,
		Findings:           configuration.Findings.Enabled,
		Principal:          c.HubPrincipal,
		OrganizationID:     c.OrganizationID,
		ExternalID:         configuration.AssumeRole.ExternalID,
		SessionTags:        c.SessionTags,
	}
	app.SetPolicyPermissions(&o, configuration)
	if queue := configuration.Events.QueueURL; queue != "" {
		o.Queue = c.queueARN(queue)
	}
	if f.Organization && o.OrganizationID == "" {
		o.OrganizationID = iampolicy.OrganizationIDPlaceholder
	}
	role := func(account string) string { return "arn:" + c.Partition + ":iam::" + account + ":role/" + f.Role }
	if f.Organization && f.Role != "" {
		o.MemberRole = role("*")
	}
	for _, s := range f.Static {
		switch {
		case s.RoleARN != "":
			o.Roles = append(o.Roles, s.RoleARN)
		case f.Role != "": // they can be outside the organization
			o.Roles = append(o.Roles, role(s.ID))
		}
	}
	slices.Sort(o.Roles)
	o.Roles = slices.Compact(o.Roles)
	return o
}

// queueARN returns the ARN of the queue at a URL, with "*" if the URL has no
// Region.
func (c iamPolicyCommand) queueARN(queueURL string) string {
	parts := strings.Split(queueURL, "/") // checked: https://HOST/ACCOUNT/NAME
	account, queue := parts[len(parts)-2], parts[len(parts)-1]
	return "arn:" + c.Partition + ":sqs:" + cmp.Or(awsapi.QueueRegion(queueURL), "*") + ":" + account + ":" + queue
}
