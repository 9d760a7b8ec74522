package scenario

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// maxFindings bounds the findings of a scenario, so that a typo in a count is an
// error instead of exhausting memory.
var maxFindings = 2_000_000

var internalResourceTypes = []string{
	"AWS::S3::Bucket", "AWS::S3Express::DirectoryBucket", "AWS::RDS::DBSnapshot", "AWS::RDS::DBClusterSnapshot", "AWS::DynamoDB::Table", "AWS::DynamoDB::Stream",
}

// resourceARNs are the ARNs of resources that a scenario does not name, by
// resource type.
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

// findingGroup returns the findings of one entry for an analyzer: count findings
// for each account, with ages evenly spread up to that of the entry. number is the
// index of the entry.
func (b *builder) findingGroup(f *findingsFile, a *world.Analyzer, number int, now time.Time) []world.Finding {
	if f.Regions != nil && !slices.Contains(f.Regions.values(), a.Region) {
		return nil
	}
	kind := b.oneOf(f.Type, world.FindingTypes[a.AccessType()][0], "finding type of a "+a.Type+" analyzer", world.FindingTypes[a.AccessType()])
	template := world.Finding{
		Type: kind, Status: b.oneOf(f.Status, "ACTIVE", "finding status", world.FindingStatuses),
		ResourceType: f.resourceType(kind), Public: f.Public, Error: f.Error, Access: f.access(kind),
	}
	pattern := cmp.Or(f.Resource.value, resourceARNs[template.ResourceType])
	if resourceARNs[template.ResourceType] == "" {
		b.errorf(cmp.Or(f.ResourceType.line, f.Account.line()), "resource type %q is unknown", template.ResourceType)
	}
	owners := b.accountIDs(f.Account)
	if f.Account == nil {
		owners = []string{a.AccountID}
	}
	n := max(1, f.Count.value)
	b.findings += n * len(owners)
	if n > maxFindings || b.findings > maxFindings {
		b.errorf(cmp.Or(f.Count.line, f.Account.line()), "a scenario can have at most %d findings", maxFindings)
		return nil
	}
	out := make([]world.Finding, 0, n*len(owners))
	for _, owner := range owners {
		resource := b.expand(pattern, owner, a.Region)
		for i := range n {
			finding := template
			finding.Owner, finding.ID = owner, findingID(a, number, owner, i)
			finding.Resource = strings.NewReplacer("{n}", strconv.Itoa(i+1), "{n:12}", fmt.Sprintf("%012d", i+1)).Replace(resource)
			finding.CreatedAt = now.Add(-f.Age.value / time.Duration(n) * time.Duration(n-i)).Truncate(time.Second)
			finding.UpdatedAt, finding.AnalyzedAt = finding.CreatedAt, finding.CreatedAt
			out = append(out, finding)
		}
	}
	return out
}

// resourceType defaults to one of the finding type.
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

// access fills in the defaults of the entry; nil for findings without access.
func (f *findingsFile) access(kind string) *world.Access {
	if f.Error != "" || strings.HasPrefix(kind, "Unused") {
		return nil
	}
	access := &world.Access{Principal: f.Principal, Action: f.Action, Condition: f.Condition, ResourceControlPolicyRestriction: f.Restriction}
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

// expand replaces the placeholders in the ARN of a resource, except for the
// number.
func (b *builder) expand(pattern, accountID, region string) string {
	name := accountID
	if a := b.world.Account(accountID); a != nil {
		name = a.Name
	}
	return strings.NewReplacer("{account}", accountID, "{name}", name, "{region}", region).Replace(pattern)
}

// findingID is a UUID that is the same each time a scenario is parsed.
func findingID(a *world.Analyzer, group int, owner string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%s/%d", a.ARN(), group, owner, n))
	return world.FormatUUID([16]byte(sum[:16]))
}
