package services

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

var accountManagement = &wire.Service{
	Name: world.AccountManagement, Protocol: wire.RESTJSON,
	Throttled: wire.Error{Code: "TooManyRequestsException", Status: http.StatusTooManyRequests, Message: "Too Many Requests"},
	Internal:  wire.Error{Code: "InternalServerException", Status: http.StatusInternalServerError, Message: "Internal server error"},
	InvalidPageToken: wire.Error{
		Code: "ValidationException", Status: http.StatusBadRequest, Message: "The next token is invalid.",
		Fields: map[string]any{"reason": "fieldValidationFailed"},
	},
}

// The operations of Account Management on Regions.
// https://docs.aws.amazon.com/accounts/latest/reference/API_Operations.html
var accountOperations = wire.NewOperations(
	&wire.Operation{Name: "ListRegions", Action: "account:ListRegions", Resource: accountResource, Subject: namedAccount, Handle: listRegions},
	&wire.Operation{Name: "GetRegionOptStatus", Action: "account:GetRegionOptStatus", Resource: accountResource, Subject: namedAccount, Handle: getRegionOptStatus},
)

// accountRoute returns the name of the operation at a path; empty if there is
// none.
func accountRoute(method string, path []string) string {
	if len(path) != 1 || method != http.MethodPost {
		return ""
	}
	switch path[0] {
	case "listRegions":
		return "ListRegions"
	case "getRegionOptStatus":
		return "GetRegionOptStatus"
	}
	return ""
}

type regionOutput struct {
	RegionName      string
	RegionOptStatus string
}

func namedAccount(q *wire.Request) string {
	var in struct {
		AccountID string `json:"AccountId"`
	}
	if json.Unmarshal(q.Body, &in) != nil {
		return ""
	}
	return in.AccountID
}

func accountResource(q *wire.Request) string {
	if q.World.Organization != nil && q.Subject != q.Caller.AccountID {
		return "arn:aws:account::" + q.World.Organization.ManagementID + ":account/" + q.World.Organization.ID + "/" + q.Subject
	}
	return "arn:aws:account::" + q.Subject + ":account"
}

// subjectAccount returns the account that a call is about. Only the management
// account and the delegated administrator of Account Management can name an
// account, which must be another member.
func subjectAccount(q *wire.Request) (*world.Account, *wire.Error) {
	named := namedAccount(q)
	if named == "" {
		return q.Account(q.Caller.AccountID), nil
	}
	account := q.Account(named)
	w := q.World
	denied := func(reason string) (*world.Account, *wire.Error) {
		return nil, q.Service.Errorf(wire.AccessDenied, "User: %s is not authorized to perform: %s (%s)", q.Caller.ARN, q.Operation.Action, reason)
	}
	switch {
	case w.Organization == nil:
		return denied("Your account is not a member of an organization.")
	case !slices.Contains(w.Organization.TrustedServices, world.AccountManagementPrincipal):
		return denied("Your organization must first enable trusted access with AWS Account Management.")
	case !w.IsManagement(q.Caller.AccountID) && !w.IsDelegatedAdmin(q.Caller.AccountID, world.AccountManagementPrincipal):
		return denied("The caller is neither the management account nor a delegated administrator of AWS Account Management.")
	case w.IsManagement(named):
		return denied("The management account can only be managed using the standalone context from the management account.")
	case named == q.Caller.AccountID:
		return denied("An account cannot name itself in AccountId.")
	case account == nil || account.Standalone:
		return denied("The account is not a member of your organization.")
	}
	return account, nil
}

func listRegions(q *wire.Request) (any, *wire.Error) {
	var in struct {
		MaxResults              *int
		NextToken               string
		RegionOptStatusContains []string
	}
	if err := q.DecodeJSON(&in); err != nil {
		return nil, err
	}
	limit := 0
	if in.MaxResults != nil {
		if limit = *in.MaxResults; limit < 1 || limit > 50 {
			return nil, invalidField("MaxResults", "MaxResults must be between 1 and 50")
		}
	}
	parameters := []string{namedAccount(q)}
	for _, status := range in.RegionOptStatusContains {
		if !slices.Contains(world.RegionStatuses, status) {
			return nil, invalidField("RegionOptStatusContains", "There is no Region opt status "+status)
		}
		parameters = append(parameters, status)
	}
	account, err := subjectAccount(q)
	if err != nil {
		return nil, err
	}
	var regions []regionOutput
	for _, r := range account.Regions {
		if len(in.RegionOptStatusContains) == 0 || slices.Contains(in.RegionOptStatusContains, r.Status) {
			regions = append(regions, regionOutput{r.Name, r.Status})
		}
	}
	page, token, err := wire.Paginate(q, regions, limit, in.NextToken, parameters...)
	if err != nil {
		return nil, err
	}
	if page == nil {
		page = []regionOutput{}
	}
	return struct {
		NextToken string `json:",omitempty"`
		Regions   []regionOutput
	}{token, page}, nil
}

func getRegionOptStatus(q *wire.Request) (any, *wire.Error) {
	var in struct{ RegionName string }
	if err := q.DecodeJSON(&in); err != nil {
		return nil, err
	}
	if in.RegionName == "" {
		return nil, invalidField("RegionName", "RegionName is required")
	}
	account, err := subjectAccount(q)
	if err != nil {
		return nil, err
	}
	status := account.RegionStatus(in.RegionName)
	if status == "" {
		return nil, invalidField("RegionName", "There is no Region "+in.RegionName)
	}
	return regionOutput{in.RegionName, status}, nil
}
