package awsapi

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// maxLabel is the number of characters that AWS allows in the value of a tag, which
// is more than in the name of an organizational unit.
const maxLabel = 256

// ouPath returns the path of the organizational unit that has an account. AWS
// returns the path of the account, o-…/r-…/ou-…/<account>/; it is empty if there is
// more than one, or if this version does not support its form.
func ouPath(a orgtypes.Account) string {
	if len(a.Paths) != 1 || len(a.Paths[0]) > maxLabel {
		return ""
	}
	parts := strings.Split(strings.TrimSuffix(a.Paths[0], "/"), "/")
	if last := len(parts) - 1; parts[last] == aws.ToString(a.Id) {
		parts = parts[:last]
	}
	if len(parts) < 2 {
		return ""
	}
	for i, part := range parts {
		if !strings.HasPrefix(part, [...]string{"o-", "r-", "ou-"}[min(i, 2)]) {
			return ""
		}
	}
	return strings.Join(parts, "/") + "/"
}

// OUName returns the name of an organizational unit of the hub account's
// organization.
func (c *Client) OUName(ctx context.Context, hub *inventory.Account, id string) (name string, failure *inventory.Failure) {
	if err := await(ctx, c.labelRate); err != nil {
		return "", c.failure(hub.ID, inventory.Global, "DescribeOrganizationalUnit", err)
	}
	failure = c.call(ctx, hub, inventory.Global, "DescribeOrganizationalUnit", func(ctx context.Context, creds aws.CredentialsProvider) error {
		out, err := c.organizations.describeOrganizationalUnit(ctx, &organizations.DescribeOrganizationalUnitInput{OrganizationalUnitId: aws.String(id)},
			func(o *organizations.Options) { o.Credentials = creds })
		if err != nil {
			return err
		}
		if out.OrganizationalUnit == nil || aws.ToString(out.OrganizationalUnit.Id) != id || aws.ToString(out.OrganizationalUnit.Name) == "" {
			return malformed("the answer does not name the organizational unit %s", id)
		}
		name = bounded(aws.ToString(out.OrganizationalUnit.Name))
		return nil
	})
	return name, failure
}

// Tags lists the tags of an account in the hub account's organization.
func (c *Client) Tags(ctx context.Context, hub *inventory.Account, accountID string) (map[string]string, *inventory.Failure) {
	if err := await(ctx, c.labelRate); err != nil {
		return nil, c.failure(hub.ID, inventory.Global, "ListTagsForResource", err)
	}
	tags := map[string]string{}
	f := c.pages(ctx, hub, inventory.Global, "ListTagsForResource", tagBounds, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
		out, err := c.organizations.listTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: aws.String(accountID), NextToken: token},
			func(o *organizations.Options) { o.Credentials = creds })
		if err != nil {
			return 0, nil, err
		}
		if out.Tags == nil {
			return 0, nil, errNoList
		}
		for _, t := range out.Tags {
			if aws.ToString(t.Key) == "" {
				return 0, nil, errNameless
			}
			tags[aws.ToString(t.Key)] = bounded(aws.ToString(t.Value))
		}
		return len(out.Tags), out.NextToken, nil
	})
	if f != nil {
		return nil, f
	}
	return tags, nil
}

// bounded returns valid UTF-8 of limited length.
func bounded(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if utf8.RuneCountInString(s) > maxLabel {
		s = string([]rune(s)[:maxLabel])
	}
	return s
}
