package services_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// document has what URL encoding must keep.
const document = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"Sid\": \"A+b %20 ~\", \"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"arn:aws:s3:::täst/*\"}]\n}"

// newWorldWithPolicies has a policy of each kind in Workload.
func newWorldWithPolicies() *simaws.World {
	w := sdktest.NewWorld()
	a := w.Account(sdktest.Workload)
	a.JoinedAt = sdktest.Epoch
	a.Users = []*simaws.User{{
		Name: "ci", Path: "/build/", Groups: []string{"builders"}, Inline: []simaws.Policy{{Name: "push", Document: document}},
		Attached: []string{"arn:aws:iam::" + sdktest.Workload + ":policy/team/deploy"},
	}}
	a.Groups = []*simaws.Group{{Name: "builders", Inline: []simaws.Policy{{Name: "pull", Document: document}}}}
	a.Roles = append(slices.Clone(a.Roles),
		&simaws.Role{Name: "batch", Trust: document, Inline: []simaws.Policy{{Name: "run", Document: document}}, Attached: []string{"arn:aws:iam::aws:policy/AdministratorAccess"}},
		&simaws.Role{Name: "AWSServiceRoleForAccessAnalyzer", Path: "/aws-service-role/access-analyzer.amazonaws.com/", Trust: document},
	)
	a.Policies = []*simaws.ManagedPolicy{{Name: "deploy", Path: "/team/", Versions: []string{"{}", document, "{}"}, Default: 2}}
	return w
}

// assumed are the clients of the exporter's role in Workload, in the Region of IAM.
// With an endpoint of its own, the SDK signs for the Region of the client.
func assumed(s *simaws.Server) sdktest.Clients {
	return sdktest.As(s, sdktest.Security).Assumed(sdktest.Workload).In("us-east-1")
}

// authorizationDetails follows all pages.
func authorizationDetails(c sdktest.Clients, in iam.GetAccountAuthorizationDetailsInput) (all iam.GetAccountAuthorizationDetailsOutput, pages int, _ error) {
	for p := iam.NewGetAccountAuthorizationDetailsPaginator(iam.NewFromConfig(c.Config), &in); p.HasMorePages(); {
		page, err := p.NextPage(context.Background())
		if err != nil {
			return all, pages, err
		}
		pages++
		all.UserDetailList = append(all.UserDetailList, page.UserDetailList...)
		all.GroupDetailList = append(all.GroupDetailList, page.GroupDetailList...)
		all.RoleDetailList = append(all.RoleDetailList, page.RoleDetailList...)
		all.Policies = append(all.Policies, page.Policies...)
	}
	return all, pages, nil
}

// names are the names of all entities, in the order of the response.
func names(out iam.GetAccountAuthorizationDetailsOutput) (names []string) {
	for _, u := range out.UserDetailList {
		names = append(names, *u.UserName)
	}
	for _, g := range out.GroupDetailList {
		names = append(names, *g.GroupName)
	}
	for _, r := range out.RoleDetailList {
		names = append(names, *r.RoleName)
	}
	for _, p := range out.Policies {
		names = append(names, *p.PolicyName)
	}
	return names
}

func decoded(t *testing.T, text *string) string {
	t.Helper()
	if strings.ContainsAny(*text, "{ +\"\n") {
		t.Errorf("the document is not URL-encoded: %s", *text)
	}
	s, err := url.PathUnescape(*text)
	if err != nil {
		t.Error(err)
	}
	return s
}

func TestGetAccountAuthorizationDetails(t *testing.T) {
	s := sdktest.Start(t, newWorldWithPolicies(), simaws.Options{})
	out, _, err := authorizationDetails(assumed(s), iam.GetAccountAuthorizationDetailsInput{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ci", "builders", "exporter", "batch", "AWSServiceRoleForAccessAnalyzer", "deploy", "AdministratorAccess"}
	if got := names(out); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	user, group, role, policy := out.UserDetailList[0], out.GroupDetailList[0], out.RoleDetailList[1], out.Policies[0]
	for what, text := range map[string]*string{
		"user": user.UserPolicyList[0].PolicyDocument, "group": group.GroupPolicyList[0].PolicyDocument, "role": role.RolePolicyList[0].PolicyDocument,
		"trust": role.AssumeRolePolicyDocument, "managed": policy.PolicyVersionList[1].Document,
	} {
		if got := decoded(t, text); got != document {
			t.Errorf("%s: got %s", what, got)
		}
	}
	got := fmt.Sprintln(*user.Arn, user.CreateDate.UTC(), user.GroupList, *user.AttachedManagedPolicies[0].PolicyName, *user.UserPolicyList[0].PolicyName,
		*out.RoleDetailList[2].Path, *out.RoleDetailList[2].Arn, len(*role.RoleId))
	want2 := fmt.Sprintln("arn:aws:iam::333333333333:user/build/ci", sdktest.Epoch, []string{"builders"}, "deploy", "push",
		"/aws-service-role/access-analyzer.amazonaws.com/", "arn:aws:iam::333333333333:role/aws-service-role/access-analyzer.amazonaws.com/AWSServiceRoleForAccessAnalyzer", 21)
	if got != want2 {
		t.Errorf("got  %swant %s", got, want2)
	}
	versions := ""
	for _, v := range policy.PolicyVersionList {
		versions += fmt.Sprint(*v.VersionId, " ", v.IsDefaultVersion, " ")
	}
	got = fmt.Sprintln(*policy.Arn, *policy.Path, *policy.DefaultVersionId, *policy.AttachmentCount, versions, *out.Policies[1].Arn)
	want2 = fmt.Sprintln("arn:aws:iam::333333333333:policy/team/deploy", "/team/", "v2", 1, "v3 false v2 true v1 false ", "arn:aws:iam::aws:policy/AdministratorAccess")
	if got != want2 {
		t.Errorf("got  %swant %s", got, want2)
	}
	wantTrust := `{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::222222222222:root"]}}],"Version":"2012-10-17"}`
	if got := decoded(t, out.RoleDetailList[0].AssumeRolePolicyDocument); got != wantTrust {
		t.Errorf("trust policy of the role that can be assumed: %s", got)
	}
}

func TestAuthorizationDetailsPagesAndFilters(t *testing.T) {
	s := sdktest.Start(t, newWorldWithPolicies(), simaws.Options{})
	all := []string{"ci", "builders", "exporter", "batch", "AWSServiceRoleForAccessAnalyzer", "deploy", "AdministratorAccess"}
	for _, test := range []struct {
		name   string
		in     iam.GetAccountAuthorizationDetailsInput
		change func(*simaws.World)
		want   []string
		pages  int
	}{
		{name: "one page", want: all, pages: 1},
		{name: "MaxItems", in: iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(3)}, want: all, pages: 3},
		{
			name: "short pages", in: iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1000)}, want: all, pages: 4,
			change: func(w *simaws.World) { w.PageSizes = map[string]int{"GetAccountAuthorizationDetails": 2} },
		},
		{name: "an empty page", want: all, pages: 2, change: func(w *simaws.World) { w.Quirks.EmptyPages = true }},
		{
			name: "a filter", in: iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{"LocalManagedPolicy", "Group", "Role"}, MaxItems: aws.Int32(2)},
			want: []string{"builders", "exporter", "batch", "AWSServiceRoleForAccessAnalyzer", "deploy"}, pages: 3,
		},
		{name: "another filter", in: iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{"User", "AWSManagedPolicy"}}, want: []string{"ci", "AdministratorAccess"}, pages: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorldWithPolicies()
			if test.change != nil {
				test.change(w)
			}
			s.SetWorld(w)
			out, pages, err := authorizationDetails(assumed(s), test.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(out); !slices.Equal(got, test.want) || pages != test.pages {
				t.Errorf("got %v in %d pages, want %v in %d", got, pages, test.want, test.pages)
			}
		})
	}
}

func TestAuthorizationDetailsErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*simaws.World)
		in     iam.GetAccountAuthorizationDetailsInput
		code   string
		status int
		text   string
	}{
		{
			name: "no permission", code: "AccessDenied", status: 403,
			change: func(w *simaws.World) {
				w.Account(sdktest.Workload).Roles[0] = &simaws.Role{Name: "exporter", Trusts: []string{sdktest.Security}, Actions: []string{"access-analyzer:*"}}
			},
			text: "User: arn:aws:sts::333333333333:assumed-role/exporter/test is not authorized to perform: iam:GetAccountAuthorizationDetails on resource: * because no identity-based policy allows the iam:GetAccountAuthorizationDetails action",
		},
		{name: "throttling", change: inject(simaws.Throttled), code: "Throttling", status: 400, text: "Rate exceeded"},
		{name: "a failure", change: inject(simaws.ServiceError), code: "ServiceFailure", status: 500},
		{name: "an SCP", change: inject(simaws.SCPDenied), code: "AccessDenied", status: 403, text: "with an explicit deny in a service control policy"},
		{name: "a marker of another list", in: iam.GetAccountAuthorizationDetailsInput{Marker: aws.String("x")}, code: "ValidationError", status: 400},
		{name: "too many items", in: iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1001)}, code: "ValidationError", status: 400},
		{name: "an unknown type", in: iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{"Policy"}}, code: "ValidationError", status: 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorldWithPolicies()
			if test.change != nil {
				test.change(w)
			}
			c := assumed(sdktest.Start(t, w, simaws.Options{}))
			_, err := iam.NewFromConfig(c.Config).GetAccountAuthorizationDetails(context.Background(), &test.in)
			sdktest.WantOutcome(t, err, test.code, test.status)
			api, ok := errors.AsType[smithy.APIError](err)
			if !ok {
				t.Fatal(err)
			}
			session := api.ErrorMessage()
			if i := strings.Index(session, "/exporter/"); i >= 0 {
				session = session[:i] + "/exporter/test" + session[i+strings.IndexByte(session[i:], ' '):]
			}
			if !strings.Contains(session, test.text) {
				t.Errorf("got  %s\nwant %s", session, test.text)
			}
		})
	}
}

func inject(kind simaws.FaultKind) func(*simaws.World) {
	return func(w *simaws.World) { w.Faults = []*simaws.Fault{{Kind: kind, Service: "iam"}} }
}

// IAM has one endpoint a partition, which accepts signatures of its Region only.
func TestRegionOfIAM(t *testing.T) {
	for _, test := range []struct {
		partition string
		region    string
		signing   string
		code      string
	}{
		{"aws", "eu-west-1", "us-east-1", "OK"},
		{"aws", "eu-west-1", "eu-west-1", "SignatureDoesNotMatch"},
		{"aws-cn", "cn-northwest-1", "cn-north-1", "OK"},
		{"aws-cn", "cn-northwest-1", "us-east-1", "SignatureDoesNotMatch"},
		{"aws-us-gov", "us-gov-east-1", "us-gov-west-1", "OK"},
	} {
		t.Run(test.partition+" "+test.signing, func(t *testing.T) {
			w := newWorldWithPolicies()
			home := map[string]string{"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}[test.partition]
			if home != "" {
				w.Account(sdktest.Workload).Regions = []simaws.Region{{Name: home, Status: "ENABLED"}, {Name: test.region, Status: "ENABLED"}}
			}
			s := sdktest.Start(t, w, simaws.Options{})
			c := sdktest.As(s, sdktest.Workload).In(test.signing)
			_, err := iam.NewFromConfig(c.Config).GetAccountAuthorizationDetails(context.Background(), nil)
			if code, _ := sdktest.Outcome(err); code != test.code {
				t.Errorf("got %s, want %s: %v", code, test.code, err)
			}
			if calls := s.Calls(simaws.CallFilter{Service: "iam"}); len(calls) != 1 || calls[0].Operation != "GetAccountAuthorizationDetails" || calls[0].Subject != sdktest.Workload {
				t.Errorf("the call log has %v", calls)
			}
		})
	}
}
