package services_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// documents are the policies of an account in the response.
func documents(t *testing.T, out iam.GetAccountAuthorizationDetailsOutput) (all []simaws.PolicyDocument) {
	t.Helper()
	inline := func(owner *string, policies []types.PolicyDetail) {
		for _, p := range policies {
			all = append(all, simaws.PolicyDocument{Kind: "inline", Owner: *owner, Name: *p.PolicyName, Document: decoded(t, p.PolicyDocument)})
		}
	}
	for _, p := range out.Policies {
		for _, v := range p.PolicyVersionList {
			if v.IsDefaultVersion {
				all = append(all, simaws.PolicyDocument{Kind: "managed", Owner: *p.Arn, Name: *p.PolicyName, Document: decoded(t, v.Document)})
			}
		}
	}
	for _, u := range out.UserDetailList {
		inline(u.Arn, u.UserPolicyList)
	}
	for _, g := range out.GroupDetailList {
		inline(g.Arn, g.GroupPolicyList)
	}
	for _, r := range out.RoleDetailList {
		if *r.Path != "/aws-service-role/access-analyzer.amazonaws.com/" {
			all = append(all, simaws.PolicyDocument{Kind: "trust", Owner: *r.Arn, Name: *r.RoleName, Document: decoded(t, r.AssumeRolePolicyDocument)})
			inline(r.Arn, r.RolePolicyList)
		}
	}
	return all
}

// Random policies are all listed, once, and have findings of every type. The same
// seed gives the same policies.
func TestRandomPolicies(t *testing.T) {
	found := map[string]int{}
	for seed := range uint64(20) {
		w := sdktest.NewWorld()
		random := rand.New(rand.NewPCG(seed, 0))
		simaws.AddPolicies(random, w.Accounts, simaws.PolicyMix{PerAccount: 40, Alike: 0.6})
		w.PageSizes = map[string]int{"GetAccountAuthorizationDetails": 7}
		s := sdktest.Start(t, w, simaws.Options{})
		for changes := range 3 {
			out, pages, err := authorizationDetails(assumed(s), iam.GetAccountAuthorizationDetailsInput{
				Filter: []types.EntityType{"User", "Group", "Role", "LocalManagedPolicy"}, MaxItems: aws.Int32(1000),
			})
			if err != nil {
				t.Fatal(err)
			}
			got, want := documents(t, out), w.Account(sdktest.Workload).PolicyDocuments()
			if !slices.Equal(got, want) || pages < 3 {
				t.Fatalf("seed %d after %d changes: %d policies in %d pages, want %d:\n%s\n%s", seed, changes, len(got), pages, len(want), fmt.Sprint(got), fmt.Sprint(want))
			}
			for _, p := range want {
				kind := map[string]string{"trust": "RESOURCE_POLICY"}[p.Kind]
				resource := map[string]string{"trust": "AWS::IAM::AssumeRolePolicyDocument"}[p.Kind]
				if kind == "" {
					kind = "IDENTITY_POLICY"
				}
				findings := simaws.ValidatePolicy(p.Document, kind, resource)
				for _, f := range findings {
					found[f.Type]++
				}
				if len(findings) == 0 {
					found["none"]++
				}
			}
			s.Update(func(w *simaws.World) {
				if !(simaws.PolicyMix{Alike: 0.6}).ChangePolicy(random, w.Account(sdktest.Workload)) {
					t.Error("there is no policy to change")
				}
			})
		}
	}
	if len(found) != 5 || found["none"] < 200 {
		t.Errorf("types of finding %v", found)
	}
	t.Log(found)
	first, again := simaws.RandomDocument(7, false), simaws.RandomDocument(7, false)
	if first != again || first == simaws.RandomDocument(8, false) {
		t.Error("a number does not determine the document")
	}
}
