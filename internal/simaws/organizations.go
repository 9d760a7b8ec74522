package simaws

import (
	"slices"
	"strings"
	"time"
)

// The operations of Organizations that tell who is in an organization.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_Operations.html
var organizationsOperations = table(
	&operation{name: "DescribeOrganization", action: "organizations:DescribeOrganization", handle: describeOrganization},
	&operation{name: "ListAccounts", action: "organizations:ListAccounts", handle: listAccounts},
	&operation{name: "ListDelegatedAdministrators", action: "organizations:ListDelegatedAdministrators", handle: listDelegatedAdministrators},
	&operation{name: "ListAWSServiceAccessForOrganization", action: "organizations:ListAWSServiceAccessForOrganization", handle: listServiceAccess},
)

type organizationAccount struct {
	ID                    string   `json:"Id"`
	ARN                   string   `json:"Arn"`
	Email                 string   `json:"Email"`
	Name                  string   `json:"Name"`
	Status                string   `json:"Status,omitempty"`
	State                 string   `json:"State,omitempty"`
	Paths                 []string `json:"Paths,omitempty"`
	JoinedMethod          string   `json:"JoinedMethod"`
	JoinedTimestamp       epoch    `json:"JoinedTimestamp"`
	DelegationEnabledDate *epoch   `json:"DelegationEnabledDate,omitempty"`
}

type listInput struct {
	MaxResults       *int
	NextToken        string
	ServicePrincipal string
}

// readList reads and checks what all lists of Organizations take.
func readList(q *request) (listInput, *apiError) {
	var in listInput
	if err := q.decodeJSON(&in); err != nil {
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
		err := q.svc.errorf(invalidInput, "You specified an invalid value for MaxResults.")
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

// inOrganization refuses accounts that are in none.
func inOrganization(q *request) *apiError {
	if q.world.Organization != nil && !q.index.accounts[q.who.accountID].Standalone {
		return nil
	}
	return &apiError{Code: "AWSOrganizationsNotInUseException", Status: 400, Message: "Your account is not a member of an organization."}
}

// mayList refuses everybody but the management account and the delegated
// administrators of whichever service.
func mayList(q *request) *apiError {
	if err := inOrganization(q); err != nil {
		return err
	}
	if q.world.isManagement(q.who.accountID) || q.world.isDelegatedAdmin(q.who.accountID, "") {
		return nil
	}
	return q.svc.errorf(accessDenied, "You don't have permissions to access this resource.")
}

func describeOrganization(q *request) (any, *apiError) {
	if err := inOrganization(q); err != nil {
		return nil, err
	}
	o := q.world.Organization
	email := ""
	if a := q.index.accounts[o.ManagementID]; a != nil {
		email = a.email()
	}
	return map[string]any{"Organization": map[string]any{
		"Id":                 o.ID,
		"Arn":                "arn:aws:organizations::" + o.ManagementID + ":organization/" + o.ID,
		"FeatureSet":         "ALL",
		"MasterAccountArn":   accountARN(o, o.ManagementID),
		"MasterAccountId":    o.ManagementID,
		"MasterAccountEmail": email,
		// As AWS answers it since policy types belong to the root.
		"AvailablePolicyTypes": []map[string]string{{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}},
	}}, nil
}

func accountARN(o *Organization, id string) string {
	return "arn:aws:organizations::" + o.ManagementID + ":account/" + o.ID + "/" + id
}

func (a *Account) email() string {
	if a.Email != "" {
		return a.Email
	}
	return "aws+" + a.ID + "@example.com"
}

// status is the older field's view of the state; it knew neither
// PENDING_ACTIVATION nor CLOSED.
func (a *Account) status() string {
	switch a.state() {
	case "ACTIVE", "PENDING_CLOSURE":
		return a.state()
	}
	return "SUSPENDED"
}

func (q *request) describe(a *Account) organizationAccount {
	o := q.world.Organization
	out := organizationAccount{
		ID: a.ID, ARN: accountARN(o, a.ID), Email: a.email(), Name: a.Name, Status: a.status(), State: a.state(),
		JoinedMethod: "CREATED", JoinedTimestamp: epoch(o.dated(a.JoinedAt)),
	}
	if a.Invited {
		out.JoinedMethod = "INVITED"
	}
	if q.world.Quirks.NoAccountStatus {
		out.Status = ""
	}
	if q.world.Quirks.NoAccountState {
		out.State = ""
	}
	return out
}

// dated stands in for times that the world does not give.
func (o *Organization) dated(t time.Time) time.Time {
	if !t.IsZero() {
		return t
	}
	if !o.CreatedAt.IsZero() {
		return o.CreatedAt
	}
	return time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
}

func listAccounts(q *request) (any, *apiError) {
	in, err := readList(q)
	if err != nil {
		return nil, err
	}
	if err := mayList(q); err != nil {
		return nil, err
	}
	accounts := q.world.Accounts
	if slices.ContainsFunc(accounts, func(a *Account) bool { return a.Standalone }) {
		accounts = slices.DeleteFunc(slices.Clone(accounts), func(a *Account) bool { return a.Standalone })
	}
	page, token, err := paginate(q, accounts, in.limit(), in.NextToken)
	if err != nil {
		return nil, err
	}
	out := struct {
		Accounts  []organizationAccount
		NextToken string `json:",omitempty"`
	}{make([]organizationAccount, len(page)), token}
	for i, a := range page {
		out.Accounts[i] = q.describe(a)
		out.Accounts[i].Paths = []string{a.path(q.world.Organization)}
	}
	return out, nil
}

func listDelegatedAdministrators(q *request) (any, *apiError) {
	in, err := readList(q)
	if err != nil {
		return nil, err
	}
	if err := mayList(q); err != nil {
		return nil, err
	}
	var admins []*Account
	for _, a := range q.world.Accounts {
		if q.world.isDelegatedAdmin(a.ID, in.ServicePrincipal) {
			admins = append(admins, a)
		}
	}
	page, token, err := paginate(q, admins, in.limit(), in.NextToken, in.ServicePrincipal)
	if err != nil {
		return nil, err
	}
	out := struct {
		DelegatedAdministrators []organizationAccount
		NextToken               string `json:",omitempty"`
	}{make([]organizationAccount, len(page)), token}
	enabled := epoch(q.world.Organization.dated(time.Time{}))
	for i, a := range page {
		out.DelegatedAdministrators[i] = q.describe(a)
		out.DelegatedAdministrators[i].DelegationEnabledDate = &enabled
	}
	return out, nil
}

func listServiceAccess(q *request) (any, *apiError) {
	in, err := readList(q)
	if err != nil {
		return nil, err
	}
	if err := mayList(q); err != nil {
		return nil, err
	}
	trusted := slices.Sorted(slices.Values(q.world.Organization.TrustedServices))
	page, token, err := paginate(q, trusted, in.limit(), in.NextToken)
	if err != nil {
		return nil, err
	}
	type principal struct {
		ServicePrincipal string
		DateEnabled      epoch
	}
	out := struct {
		EnabledServicePrincipals []principal
		NextToken                string `json:",omitempty"`
	}{make([]principal, len(page)), token}
	for i, name := range page {
		out.EnabledServicePrincipals[i] = principal{strings.ToLower(name), epoch(q.world.Organization.dated(time.Time{}))}
	}
	return out, nil
}
