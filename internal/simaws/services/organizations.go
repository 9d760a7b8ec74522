package services

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

var organizations = &wire.Service{
	Name: world.Organizations, Protocol: wire.JSON11,
	Throttled: wire.Error{
		Code: "TooManyRequestsException", Status: http.StatusBadRequest,
		Message: "AWS Organizations can't complete your request because another request is already in progress. Try again later.",
		Fields:  map[string]any{"Type": "TOO_MANY_REQUESTS"},
	},
	Internal: wire.Error{
		Code: "ServiceException", Status: http.StatusInternalServerError,
		Message: "AWS Organizations can't complete your request because of an internal service error. Try again later.",
	},
	InvalidPageToken: wire.Error{
		Code: "InvalidInputException", Status: http.StatusBadRequest, Message: "The next token is invalid.",
		Fields: map[string]any{"Reason": "INVALID_NEXT_TOKEN"},
	},
}

// organizationsOperations are the operations that describe an organization.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_Operations.html
var organizationsOperations = wire.NewOperations(
	&wire.Operation{Name: "DescribeOrganization", Action: "organizations:DescribeOrganization", Handle: describeOrganization},
	&wire.Operation{Name: "ListAccounts", Action: "organizations:ListAccounts", Handle: listAccounts},
	&wire.Operation{Name: "DescribeOrganizationalUnit", Action: "organizations:DescribeOrganizationalUnit", Handle: describeOrganizationalUnit},
	&wire.Operation{Name: "ListTagsForResource", Action: "organizations:ListTagsForResource", Subject: taggedAccount, Handle: listTagsForResource},
	&wire.Operation{Name: "ListDelegatedAdministrators", Action: "organizations:ListDelegatedAdministrators", Handle: listDelegatedAdministrators},
	&wire.Operation{Name: "ListPolicies", Action: "organizations:ListPolicies", Handle: listPolicies},
	&wire.Operation{Name: "DescribePolicy", Action: "organizations:DescribePolicy", Handle: describePolicy},
)

type organizationAccount struct {
	ID                    string      `json:"Id"`
	ARN                   string      `json:"Arn"`
	Email                 string      `json:"Email"`
	Name                  string      `json:"Name"`
	Status                string      `json:"Status,omitempty"`
	State                 string      `json:"State,omitempty"`
	Paths                 []string    `json:"Paths,omitempty"`
	JoinedMethod          string      `json:"JoinedMethod"`
	JoinedTimestamp       wire.Epoch  `json:"JoinedTimestamp"`
	DelegationEnabledDate *wire.Epoch `json:"DelegationEnabledDate,omitempty"`
}

type listInput struct {
	MaxResults       *int
	NextToken        string
	ServicePrincipal string
	Filter           string
}

// parseListInput parses and validates the input of the lists.
func parseListInput(q *wire.Request) (listInput, *wire.Error) {
	var in listInput
	if err := q.DecodeJSON(&in); err != nil {
		err.Code, err.Fields = "SerializationException", nil
		return in, err
	}
	if in.MaxResults == nil {
		return in, nil
	}
	reason := ""
	if *in.MaxResults < 1 {
		reason = "MIN_VALUE_EXCEEDED"
	} else if *in.MaxResults > 20 {
		reason = "MAX_VALUE_EXCEEDED"
	}
	if reason != "" {
		err := q.Service.Errorf(wire.InvalidInput, "You specified an invalid value for MaxResults.")
		err.Fields = map[string]any{"Reason": reason}
		return in, err
	}
	return in, nil
}

func (in listInput) limit() int {
	if in.MaxResults == nil {
		return 0
	}
	return *in.MaxResults
}

// requireOrganization rejects accounts that are in no organization.
func requireOrganization(q *wire.Request) *wire.Error {
	if q.World.Organization != nil && !q.Account(q.Caller.AccountID).Standalone {
		return nil
	}
	return &wire.Error{Code: "AWSOrganizationsNotInUseException", Status: 400, Message: "Your account is not a member of an organization."}
}

// requireAdministrator rejects accounts other than the management account and
// the delegated administrators of any service.
func requireAdministrator(q *wire.Request) *wire.Error {
	if err := requireOrganization(q); err != nil {
		return err
	}
	if q.World.IsManagement(q.Caller.AccountID) || q.World.IsDelegatedAdmin(q.Caller.AccountID, "") {
		return nil
	}
	return q.Service.Errorf(wire.AccessDenied, "You don't have permissions to access this resource.")
}

func describeOrganization(q *wire.Request) (any, *wire.Error) {
	if err := requireOrganization(q); err != nil {
		return nil, err
	}
	o := q.World.Organization
	email := ""
	if a := q.Account(o.ManagementID); a != nil {
		email = accountEmail(a)
	}
	return map[string]any{"Organization": map[string]any{
		"Id":                 o.ID,
		"Arn":                "arn:aws:organizations::" + o.ManagementID + ":organization/" + o.ID,
		"FeatureSet":         "ALL",
		"MasterAccountArn":   accountARN(o, o.ManagementID),
		"MasterAccountId":    o.ManagementID,
		"MasterAccountEmail": email,
		// AWS returns this value since policy types belong to the root.
		"AvailablePolicyTypes": []map[string]string{{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}},
	}}, nil
}

func accountARN(o *world.Organization, id string) string {
	return "arn:aws:organizations::" + o.ManagementID + ":account/" + o.ID + "/" + id
}

func accountEmail(a *world.Account) string {
	if a.Email != "" {
		return a.Email
	}
	return "aws+" + a.ID + "@example.com"
}

// accountStatus is the value of the older field Status, which has neither
// PENDING_ACTIVATION nor CLOSED.
func accountStatus(a *world.Account) string {
	switch a.CurrentState() {
	case "ACTIVE", "PENDING_CLOSURE":
		return a.CurrentState()
	}
	return "SUSPENDED"
}

func describe(q *wire.Request, a *world.Account) organizationAccount {
	o := q.World.Organization
	out := organizationAccount{
		ID: a.ID, ARN: accountARN(o, a.ID), Email: accountEmail(a), Name: a.Name, Status: accountStatus(a), State: a.CurrentState(),
		JoinedMethod: "CREATED", JoinedTimestamp: wire.Epoch(orCreatedAt(a.JoinedAt, o)),
	}
	if a.Invited {
		out.JoinedMethod = "INVITED"
	}
	if q.World.Quirks.NoAccountStatus {
		out.Status = ""
	}
	if q.World.Quirks.NoAccountState {
		out.State = ""
	}
	return out
}

// orCreatedAt defaults a time that is not set to when the organization was
// created.
func orCreatedAt(t time.Time, o *world.Organization) time.Time {
	if !t.IsZero() {
		return t
	}
	if !o.CreatedAt.IsZero() {
		return o.CreatedAt
	}
	return time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
}

func listAccounts(q *wire.Request) (any, *wire.Error) {
	in, err := parseListInput(q)
	if err != nil {
		return nil, err
	}
	if err := requireAdministrator(q); err != nil {
		return nil, err
	}
	accounts := q.World.Accounts
	if slices.ContainsFunc(accounts, func(a *world.Account) bool { return a.Standalone }) {
		accounts = slices.DeleteFunc(slices.Clone(accounts), func(a *world.Account) bool { return a.Standalone })
	}
	page, token, err := wire.Paginate(q, accounts, in.limit(), in.NextToken)
	if err != nil {
		return nil, err
	}
	out := struct {
		Accounts  []organizationAccount
		NextToken string `json:",omitempty"`
	}{make([]organizationAccount, len(page)), token}
	for i, a := range page {
		out.Accounts[i] = describe(q, a)
		out.Accounts[i].Paths = []string{a.Path(q.World.Organization)}
	}
	return out, nil
}

func listDelegatedAdministrators(q *wire.Request) (any, *wire.Error) {
	in, err := parseListInput(q)
	if err != nil {
		return nil, err
	}
	if err := requireAdministrator(q); err != nil {
		return nil, err
	}
	var admins []*world.Account
	for _, a := range q.World.Accounts {
		if q.World.IsDelegatedAdmin(a.ID, in.ServicePrincipal) {
			admins = append(admins, a)
		}
	}
	page, token, err := wire.Paginate(q, admins, in.limit(), in.NextToken, in.ServicePrincipal)
	if err != nil {
		return nil, err
	}
	out := struct {
		DelegatedAdministrators []organizationAccount
		NextToken               string `json:",omitempty"`
	}{make([]organizationAccount, len(page)), token}
	enabled := wire.Epoch(orCreatedAt(time.Time{}, q.World.Organization))
	for i, a := range page {
		out.DelegatedAdministrators[i] = describe(q, a)
		out.DelegatedAdministrators[i].DelegationEnabledDate = &enabled
	}
	return out, nil
}

func describeOrganizationalUnit(q *wire.Request) (any, *wire.Error) {
	var in struct {
		ID string `json:"OrganizationalUnitId"`
	}
	if err := q.DecodeJSON(&in); err != nil {
		return nil, err
	}
	if err := requireAdministrator(q); err != nil {
		return nil, err
	}
	name := q.World.OUName(in.ID)
	if name == "" {
		return nil, &wire.Error{Code: "OrganizationalUnitNotFoundException", Status: http.StatusBadRequest, Message: "You specified an organizational unit that doesn't exist."}
	}
	o := q.World.Organization
	return map[string]any{"OrganizationalUnit": map[string]string{
		"Id": in.ID, "Name": name, "Arn": "arn:aws:organizations::" + o.ManagementID + ":ou/" + o.ID + "/" + in.ID,
	}}, nil
}

type tagsInput struct {
	ResourceID string `json:"ResourceId"`
	NextToken  string
}

func taggedAccount(q *wire.Request) string {
	var in tagsInput
	if json.Unmarshal(q.Body, &in) != nil {
		return ""
	}
	return in.ResourceID
}

// listTagsForResource lists the tags of an account. The simulator has no other
// resources with tags.
func listTagsForResource(q *wire.Request) (any, *wire.Error) {
	var in tagsInput
	if err := q.DecodeJSON(&in); err != nil {
		return nil, err
	}
	if err := requireAdministrator(q); err != nil {
		return nil, err
	}
	a := q.Account(in.ResourceID)
	if a == nil || a.Standalone {
		return nil, &wire.Error{Code: "TargetNotFoundException", Status: http.StatusBadRequest, Message: "You specified a target that doesn't exist."}
	}
	page, token, err := wire.Paginate(q, slices.Sorted(maps.Keys(a.Tags)), 0, in.NextToken, in.ResourceID)
	if err != nil {
		return nil, err
	}
	type tag struct{ Key, Value string }
	out := struct {
		Tags      []tag
		NextToken string `json:",omitempty"`
	}{make([]tag, len(page)), token}
	for i, key := range page {
		out.Tags[i] = tag{key, a.Tags[key]}
	}
	return out, nil
}
