package services_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// newWorldWithOrganizationPolicies has three service control policies and a
// resource control policy, beside those of AWS.
func newWorldWithOrganizationPolicies() *simaws.World {
	w := sdktest.NewWorld()
	for i := range 3 {
		w.Organization.Policies = append(w.Organization.Policies, &simaws.OrganizationPolicy{
			ID: fmt.Sprintf("p-service%d", i), Name: "regions", Description: "Regions", Type: simaws.ServiceControlPolicy, Document: document,
		})
	}
	w.Organization.Policies = append(w.Organization.Policies, &simaws.OrganizationPolicy{ID: "p-resource0", Name: "perimeter", Type: simaws.ResourceControlPolicy, Document: document})
	return w
}

func TestListPolicies(t *testing.T) {
	s := sdktest.Start(t, newWorldWithOrganizationPolicies(), simaws.Options{})
	s.Update(func(w *simaws.World) { w.PageSizes = map[string]int{"ListPolicies": 2} })
	c := sdktest.As(s, sdktest.Security).Organizations
	for filter, want := range map[types.PolicyType][]string{
		"SERVICE_CONTROL_POLICY": {
			"arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess true",
			"arn:aws:organizations::111111111111:policy/o-exampleorg1/service_control_policy/p-service0 false",
			"arn:aws:organizations::111111111111:policy/o-exampleorg1/service_control_policy/p-service1 false",
			"arn:aws:organizations::111111111111:policy/o-exampleorg1/service_control_policy/p-service2 false",
		},
		"RESOURCE_CONTROL_POLICY": {
			"arn:aws:organizations::aws:policy/resource_control_policy/p-RCPFullAWSAccess true",
			"arn:aws:organizations::111111111111:policy/o-exampleorg1/resource_control_policy/p-resource0 false",
		},
		"TAG_POLICY": nil,
	} {
		var got []string
		for p := organizations.NewListPoliciesPaginator(c, &organizations.ListPoliciesInput{Filter: filter}); p.HasMorePages(); {
			page, err := p.NextPage(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Policies {
				got = append(got, fmt.Sprint(*p.Arn, " ", p.AwsManaged))
				if p.Type != filter || *p.Name == "" {
					t.Errorf("%s: type %s, name %q", *p.Id, p.Type, *p.Name)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
}

func TestDescribePolicy(t *testing.T) {
	s := sdktest.Start(t, newWorldWithOrganizationPolicies(), simaws.Options{})
	out, err := sdktest.As(s, sdktest.Management).Organizations.DescribePolicy(context.Background(), &organizations.DescribePolicyInput{PolicyId: aws.String("p-resource0")})
	if err != nil {
		t.Fatal(err)
	}
	// Organizations does not encode documents, unlike IAM.
	if *out.Policy.Content != document || *out.Policy.PolicySummary.Name != "perimeter" {
		t.Errorf("got %s %s", *out.Policy.PolicySummary.Name, *out.Policy.Content)
	}
}

func TestOrganizationPolicyErrors(t *testing.T) {
	s := sdktest.Start(t, newWorldWithOrganizationPolicies(), simaws.Options{})
	list := func(filter types.PolicyType) func(sdktest.Clients) error {
		return func(c sdktest.Clients) error {
			_, err := c.Organizations.ListPolicies(context.Background(), &organizations.ListPoliciesInput{Filter: filter})
			return err
		}
	}
	describe := func(id string) func(sdktest.Clients) error {
		return func(c sdktest.Clients) error {
			_, err := c.Organizations.DescribePolicy(context.Background(), &organizations.DescribePolicyInput{PolicyId: aws.String(id)})
			return err
		}
	}
	for _, test := range []struct {
		name, account string
		call          func(sdktest.Clients) error
		code          string
	}{
		{"a member lists", sdktest.Workload, list("SERVICE_CONTROL_POLICY"), "AccessDeniedException"},
		{"a member describes", sdktest.Workload, describe("p-service0"), "AccessDeniedException"},
		{"no organization", sdktest.Standalone, list("SERVICE_CONTROL_POLICY"), "AWSOrganizationsNotInUseException"},
		{"an unknown type", sdktest.Security, list("POLICY"), "InvalidInputException"},
		{"no such policy", sdktest.Security, describe("p-service9"), "PolicyNotFoundException"},
		{"no policy ID", sdktest.Security, describe("service"), "InvalidInputException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sdktest.WantOutcome(t, test.call(sdktest.As(s, test.account)), test.code, 400)
		})
	}
}
