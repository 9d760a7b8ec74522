package simaws

import (
	"encoding/json"
	"slices"
)

// The operations of Account Management on Regions.
// https://docs.aws.amazon.com/accounts/latest/reference/API_Operations.html
var accountOperations = table(
	&operation{name: "ListRegions", action: "account:ListRegions", resource: accountResource, subject: namedAccount, handle: listRegions},
	&operation{name: "GetRegionOptStatus", action: "account:GetRegionOptStatus", resource: accountResource, subject: namedAccount, handle: getRegionOptStatus},
)

var regionOptStatuses = []string{"ENABLED", "ENABLING", "DISABLING", "DISABLED", "ENABLED_BY_DEFAULT"}

type regionOutput struct {
	RegionName      string
	RegionOptStatus string
}

func namedAccount(q *request) string {
	var in struct {
		AccountID string `json:"AccountId"`
	}
	if json.Unmarshal(q.body, &in) != nil {
		return ""
	}
	return in.AccountID
}

func accountResource(q *request) string {
	if q.world.Organization != nil && q.subject != q.who.accountID {
		return "arn:aws:account::" + q.world.Organization.ManagementID + ":account/" + q.world.Organization.ID + "/" + q.subject
	}
	return "arn:aws:account::" + q.subject + ":account"
}

func (q *request) invalidField(field, message string) *apiError {
	err := q.svc.errorf(invalidInput, "%s", message)
	err.Fields = map[string]any{
		"reason":    "fieldValidationFailed",
		"fieldList": []map[string]string{{"name": field, "message": message}},
	}
	return err
}

// subjectAccount is the account that a call is about. Naming one is for the
// management account and for the delegated administrator of Account
// Management, and for members other than themselves.
func subjectAccount(q *request) (*Account, *apiError) {
	named := namedAccount(q)
	if named == "" {
		return q.index.accounts[q.who.accountID], nil
	}
	account := q.index.accounts[named]
	w := q.world
	refuse := func(why string) (*Account, *apiError) {
		return nil, q.svc.errorf(accessDenied, "User: %s is not authorized to perform: %s (%s)", q.who.arn, q.op.action, why)
	}
	switch {
	case w.Organization == nil:
		return refuse("Your account is not a member of an organization.")
	case !slices.Contains(w.Organization.TrustedServices, AccountManagementPrincipal):
		return refuse("Your organization must first enable trusted access with AWS Account Management.")
	case !w.isManagement(q.who.accountID) && !w.isDelegatedAdmin(q.who.accountID, AccountManagementPrincipal):
		return refuse("The caller is neither the management account nor a delegated administrator of AWS Account Management.")
	case w.isManagement(named):
		return refuse("The management account can only be managed using the standalone context from the management account.")
	case named == q.who.accountID:
		return refuse("An account cannot name itself in AccountId.")
	case account == nil || account.Standalone:
		return refuse("The account is not a member of your organization.")
	}
	return account, nil
}

func listRegions(q *request) (any, *apiError) {
	var in struct {
		MaxResults              *int
		NextToken               string
		RegionOptStatusContains []string
	}
	if err := q.decodeJSON(&in); err != nil {
		return nil, err
	}
	limit := 0
	if in.MaxResults != nil {
		if limit = *in.MaxResults; limit < 1 || limit > 50 {
			return nil, q.invalidField("MaxResults", "MaxResults must be between 1 and 50")
		}
	}
	parameters := []string{namedAccount(q)}
	for _, status := range in.RegionOptStatusContains {
		if !slices.Contains(regionOptStatuses, status) {
			return nil, q.invalidField("RegionOptStatusContains", "There is no Region opt status "+status)
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
	page, token, err := paginate(q, regions, limit, in.NextToken, parameters...)
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

func getRegionOptStatus(q *request) (any, *apiError) {
	var in struct{ RegionName string }
	if err := q.decodeJSON(&in); err != nil {
		return nil, err
	}
	if in.RegionName == "" {
		return nil, q.invalidField("RegionName", "RegionName is required")
	}
	account, err := subjectAccount(q)
	if err != nil {
		return nil, err
	}
	status := account.regionStatus(in.RegionName)
	if status == "" {
		return nil, q.invalidField("RegionName", "There is no Region "+in.RegionName)
	}
	return regionOutput{in.RegionName, status}, nil
}
