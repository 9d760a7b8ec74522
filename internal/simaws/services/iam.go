package services

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/iam"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// iamVersion is the version of the API in each request. STS has another one.
const iamVersion = "2010-05-08"

var identityAccess = &wire.Service{
	Name: world.IdentityAccess, Protocol: wire.QueryXML, Namespace: "https://iam.amazonaws.com/doc/" + iamVersion + "/",
	SigningRegion: iamRegion,
	Throttled:     wire.Error{Code: "Throttling", Status: http.StatusBadRequest, Message: "Rate exceeded"},
	Internal: wire.Error{
		Code: "ServiceFailure", Status: http.StatusInternalServerError,
		Message: "The request processing has failed because of an unknown error, exception or failure.",
	},
	InvalidPageToken: wire.Error{Code: "ValidationError", Status: http.StatusBadRequest, Message: "Invalid Marker."},
}

// iamOperations are the operations that list policies.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html
var iamOperations = wire.NewOperations(
	&wire.Operation{Name: "GetAccountAuthorizationDetails", Action: "iam:GetAccountAuthorizationDetails", Handle: getAccountAuthorizationDetails},
)

// iamRegion is the Region of the only endpoint of IAM in the partition of an
// account.
// https://docs.aws.amazon.com/general/latest/gr/iam-service.html
func iamRegion(a *world.Account) string {
	for _, region := range []string{"cn-north-1", "us-gov-west-1"} {
		if a.RegionStatus(region) != "" {
			return region
		}
	}
	return "us-east-1"
}

// entityTypes are the values of the filter, in the order of the response.
var entityTypes = []string{"User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"}

// defaultMaxItems is how many items a page has if the request does not limit it.
const defaultMaxItems = 100

type authorizationDetails struct {
	XMLName     xml.Name                     `xml:"GetAccountAuthorizationDetailsResult"`
	IsTruncated bool                         `xml:"IsTruncated"`
	Marker      string                       `xml:"Marker,omitempty"`
	Users       members[userDetail]          `xml:"UserDetailList"`
	Groups      members[groupDetail]         `xml:"GroupDetailList"`
	Roles       members[roleDetail]          `xml:"RoleDetailList"`
	Policies    members[managedPolicyDetail] `xml:"Policies"`
}

// members is a list that is there if it is empty.
type members[T any] struct {
	Member []T `xml:"member"`
}

func (m *members[T]) add(item T) { m.Member = append(m.Member, item) }

type userDetail struct {
	Path       string           `xml:"Path"`
	Name       string           `xml:"UserName"`
	ID         string           `xml:"UserId"`
	ARN        string           `xml:"Arn"`
	CreateDate string           `xml:"CreateDate"`
	Inline     []inlinePolicy   `xml:"UserPolicyList>member"`
	Groups     []string         `xml:"GroupList>member"`
	Attached   []attachedPolicy `xml:"AttachedManagedPolicies>member"`
}

type groupDetail struct {
	Path       string           `xml:"Path"`
	Name       string           `xml:"GroupName"`
	ID         string           `xml:"GroupId"`
	ARN        string           `xml:"Arn"`
	CreateDate string           `xml:"CreateDate"`
	Inline     []inlinePolicy   `xml:"GroupPolicyList>member"`
	Attached   []attachedPolicy `xml:"AttachedManagedPolicies>member"`
}

type roleDetail struct {
	Path       string           `xml:"Path"`
	Name       string           `xml:"RoleName"`
	ID         string           `xml:"RoleId"`
	ARN        string           `xml:"Arn"`
	CreateDate string           `xml:"CreateDate"`
	Trust      string           `xml:"AssumeRolePolicyDocument"`
	Profiles   struct{}         `xml:"InstanceProfileList"`
	Inline     []inlinePolicy   `xml:"RolePolicyList>member"`
	Attached   []attachedPolicy `xml:"AttachedManagedPolicies>member"`
	LastUsed   struct{}         `xml:"RoleLastUsed"`
}

type inlinePolicy struct {
	Name     string `xml:"PolicyName"`
	Document string `xml:"PolicyDocument"`
}

type attachedPolicy struct {
	Name string `xml:"PolicyName"`
	ARN  string `xml:"PolicyArn"`
}

type managedPolicyDetail struct {
	Name           string          `xml:"PolicyName"`
	ID             string          `xml:"PolicyId"`
	ARN            string          `xml:"Arn"`
	Path           string          `xml:"Path"`
	DefaultVersion string          `xml:"DefaultVersionId"`
	Attachments    int             `xml:"AttachmentCount"`
	Boundaries     int             `xml:"PermissionsBoundaryUsageCount"`
	IsAttachable   bool            `xml:"IsAttachable"`
	CreateDate     string          `xml:"CreateDate"`
	UpdateDate     string          `xml:"UpdateDate"`
	Versions       []policyVersion `xml:"PolicyVersionList>member"`
}

type policyVersion struct {
	Document   string `xml:"Document"`
	ID         string `xml:"VersionId"`
	IsDefault  bool   `xml:"IsDefaultVersion"`
	CreateDate string `xml:"CreateDate"`
}

// urlEncoded is a document as IAM returns it, by RFC 3986.
func urlEncoded(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

func getAccountAuthorizationDetails(q *wire.Request) (any, *wire.Error) {
	limit, err := maxItems(q)
	if err != nil {
		return nil, err
	}
	filter, err := entityFilter(q)
	if err != nil {
		return nil, err
	}
	a := q.Account(q.Caller.AccountID)
	page, marker, err := wire.Paginate(q, entities(a, filter), limit, q.Query.Get("Marker"), filter...)
	if err != nil {
		return nil, err
	}
	d := details{account: a, created: wire.QueryTime(a.JoinedAt)}
	out := authorizationDetails{IsTruncated: marker != "", Marker: marker}
	for _, entity := range page {
		d.add(&out, entity)
	}
	return out, nil
}

// maxItems parses and validates MaxItems.
func maxItems(q *wire.Request) (int, *wire.Error) {
	text := q.Query.Get("MaxItems")
	if text == "" {
		return defaultMaxItems, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return 0, q.Service.Errorf(wire.InvalidInput, "1 validation error detected: Value '%s' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000", text)
	}
	return n, nil
}

// entityFilter parses and validates Filter: the types to list, sorted.
func entityFilter(q *wire.Request) ([]string, *wire.Error) {
	var filter []string
	for i := 1; ; i++ {
		name := q.Query.Get(fmt.Sprintf("Filter.member.%d", i))
		switch {
		case name == "" && len(filter) == 0:
			return entityTypes, nil
		case name == "":
			slices.Sort(filter)
			return slices.Compact(filter), nil
		case !slices.Contains(entityTypes, name):
			return nil, q.Service.Errorf(wire.InvalidInput, "1 validation error detected: Value '[%s]' at 'filter' failed to satisfy constraint: Member must satisfy constraint: "+
				"[Member must satisfy enum value set: [%s]]", name, strings.Join(entityTypes, ", "))
		}
		filter = append(filter, name)
	}
}

// entities are the users, groups, roles and managed policies of an account.
func entities(a *world.Account, filter []string) (all []any) {
	listed := func(kind string) bool { return slices.Contains(filter, kind) }
	if listed("User") {
		for _, u := range a.Users {
			all = append(all, u)
		}
	}
	if listed("Group") {
		for _, g := range a.Groups {
			all = append(all, g)
		}
	}
	if listed("Role") {
		for _, r := range a.Roles {
			all = append(all, r)
		}
	}
	if listed("LocalManagedPolicy") {
		for _, p := range a.Policies {
			all = append(all, ownedPolicy{p, a.ID})
		}
	}
	if listed("AWSManagedPolicy") {
		for _, p := range world.AWSManagedPolicies {
			if a.Attachments(p.ARN("aws")) > 0 {
				all = append(all, ownedPolicy{p, "aws"})
			}
		}
	}
	return all
}

// ownedPolicy is a managed policy of an account, or of AWS.
type ownedPolicy struct {
	*world.ManagedPolicy
	owner string
}

// details builds the response about an account.
type details struct {
	account *world.Account
	// created is the date of everything in the account.
	created string
}

func (d *details) add(out *authorizationDetails, entity any) {
	id := d.account.ID
	switch e := entity.(type) {
	case *world.User:
		out.Users.add(userDetail{
			Path: world.IAMPath(e.Path), Name: e.Name, ID: iam.UniqueID("AIDA", id, e.Name), ARN: world.IAMARN(id, "user", e.Path, e.Name), CreateDate: d.created,
			Inline: inlinePolicies(e.Inline), Groups: e.Groups, Attached: attachedPolicies(e.Attached),
		})
	case *world.Group:
		out.Groups.add(groupDetail{
			Path: world.IAMPath(e.Path), Name: e.Name, ID: iam.UniqueID("AGPA", id, e.Name), ARN: world.IAMARN(id, "group", e.Path, e.Name), CreateDate: d.created,
			Inline: inlinePolicies(e.Inline), Attached: attachedPolicies(e.Attached),
		})
	case *world.Role:
		out.Roles.add(roleDetail{
			Path: world.IAMPath(e.Path), Name: e.Name, ID: iam.RoleID(e, id), ARN: world.IAMARN(id, "role", e.Path, e.Name), CreateDate: d.created,
			Trust: urlEncoded(e.TrustPolicy()), Inline: inlinePolicies(e.Inline), Attached: attachedPolicies(e.Attached),
		})
	case ownedPolicy:
		out.Policies.add(d.managed(e))
	}
}

func (d *details) managed(p ownedPolicy) managedPolicyDetail {
	arn := p.ARN(p.owner)
	out := managedPolicyDetail{
		Name: p.Name, ID: iam.UniqueID("ANPA", p.owner, p.Path+p.Name), ARN: arn, Path: world.IAMPath(p.Path), DefaultVersion: versionID(p.DefaultVersion()),
		Attachments: d.account.Attachments(arn), IsAttachable: true, CreateDate: d.created, UpdateDate: d.created,
	}
	// AWS lists the newest version first.
	for i, document := range slices.Backward(p.Versions) {
		out.Versions = append(out.Versions, policyVersion{urlEncoded(document), versionID(i + 1), i+1 == p.DefaultVersion(), d.created})
	}
	return out
}

func versionID(n int) string { return "v" + strconv.Itoa(n) }

func inlinePolicies(policies []world.Policy) []inlinePolicy {
	var out []inlinePolicy
	for _, p := range policies {
		out = append(out, inlinePolicy{p.Name, urlEncoded(p.Document)})
	}
	return out
}

func attachedPolicies(arns []string) []attachedPolicy {
	var out []attachedPolicy
	for _, arn := range arns {
		out = append(out, attachedPolicy{arn[strings.LastIndexByte(arn, '/')+1:], arn})
	}
	return out
}
