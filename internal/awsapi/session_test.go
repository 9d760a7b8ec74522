package awsapi

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// administrators returns an organization whose member roles allow everything. The
// management account has a queue.
func administrators() *simaws.World {
	w := world()
	for _, a := range w.Accounts {
		for _, r := range a.Roles {
			r.Actions = []string{"*"}
		}
	}
	w.Account(member).Roles = append(w.Account(member).Roles, &simaws.Role{Name: "next", Trusts: []string{"*"}})
	w.Queues = []*simaws.Queue{{AccountID: management, Region: region, Name: "orders"}}
	return w
}

// attempts are calls that the exporter never makes with a member role: a role that
// allows everything allows all of them.
func attempts(c *Client, creds aws.CredentialsProvider) map[string]func(context.Context) error {
	cfg := c.cfg.Copy()
	cfg.Credentials = creds
	return map[string]func(context.Context) error{
		"write": func(ctx context.Context) error {
			_, err := sqs.NewFromConfig(cfg).DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{
				QueueUrl: aws.String("https://sqs." + region + ".amazonaws.com/" + management + "/orders"),
				Entries:  []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: aws.String("x")}},
			})
			return err
		},
		"assume another role": func(ctx context.Context) error {
			_, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{
				RoleArn: aws.String("arn:aws:iam::" + member + ":role/next"), RoleSessionName: aws.String("test"),
			})
			return err
		},
		"read something else": func(ctx context.Context) error {
			_, err := organizations.NewFromConfig(cfg).ListAccounts(ctx, nil)
			return err
		},
	}
}

// The session of a role that allows everything can only read what the exporter
// reads.
func TestAdministratorRoleCannotWrite(t *testing.T) {
	c, _, _ := start(t, administrators())
	if _, f := c.Analyzers(t.Context(), accountOf(management), region); f != nil {
		t.Fatalf("the exporter cannot read: %v", f)
	}
	creds, f := c.credentials.retrieve(t.Context(), accountOf(management), region)
	if f != nil {
		t.Fatal(f)
	}
	for name, attempt := range attempts(c, creds) {
		if err := attempt(t.Context()); err == nil || !strings.Contains(err.Error(), "because no session policy allows") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Session tags and the session policy share a limit. Without space for both, roles
// are assumed without the policy, and only the first one is tried with it.
func TestSessionTagsLeaveNoSpaceForPolicy(t *testing.T) {
	for name, test := range map[string]struct {
		tags             int
		tooLarge         int // attempts with that error
		reason           inventory.Reason
		detail           inventory.Detail
		restricted, held bool
	}{
		"no tags":             {held: true, restricted: true},
		"tags of an EKS pod":  {tags: 60, held: true, restricted: true},
		"long tags":           {tags: 95, tooLarge: 1, held: true},
		"tags over the limit": {tags: 103, tooLarge: 4, reason: inventory.AssumeRoleDenied, detail: inventory.SessionTags},
	} {
		t.Run(name, func(t *testing.T) {
			w := administrators()
			w.Caller = simaws.Caller{AccountID: hub, SessionTags: test.tags}
			c, _, seen := start(t, w)
			for _, id := range []string{management, member} {
				creds, f := c.credentials.retrieve(t.Context(), accountOf(id), region)
				if f == nil != test.held || f != nil && (f.Reason != test.reason || f.Detail != test.detail) {
					t.Fatalf("%s: %v", id, f)
				}
				if f != nil {
					continue
				}
				if err := attempts(c, creds)["assume another role"](t.Context()); (err != nil) != test.restricted {
					t.Errorf("%s: another role: %v", id, err)
				}
			}
			if n := seen.count("STS AssumeRole PackedPolicyTooLarge"); n != test.tooLarge {
				t.Errorf("%d attempts exceeded the limit, want %d", n, test.tooLarge)
			}
		})
	}
}
