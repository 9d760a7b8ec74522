package inventory

// Detail narrows the reason of a failure down to its fix. Unlike Reason it is not
// a label, so the set can grow. Package remedy has the fix for each.
type Detail string

// The kinds of policy that can deny a request, other than a service control
// policy, which is a Reason.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
const (
	IdentityPolicy        Detail = "identity_policy"
	ExplicitDeny          Detail = "explicit_deny" // in an identity-based policy
	PermissionsBoundary   Detail = "permissions_boundary"
	SessionPolicy         Detail = "session_policy"
	ResourceControlPolicy Detail = "resource_control_policy"
	EndpointPolicy        Detail = "endpoint_policy"
	ResourcePolicy        Detail = "resource_policy"
)

// Details of other requests that AWS denied.
const (
	// NotOrganizationAdmin: the account cannot list its organization.
	NotOrganizationAdmin Detail = "not_organization_admin"
	// NotInOrganization: the account is in no organization.
	NotInOrganization Detail = "not_in_organization"
	// SessionTags: the session tags of the caller are too large for AssumeRole.
	SessionTags Detail = "session_tags"
	// InvalidRole: the parameters of AssumeRole are invalid.
	InvalidRole Detail = "invalid_role"
	// NoQueue: the event queue does not exist.
	NoQueue Detail = "no_queue"
	// QueueKey: the key that encrypts the event queue cannot be used.
	QueueKey Detail = "queue_key"
	// OwnRole: the role that the exporter starts with could not be assumed.
	OwnRole Detail = "own_role"
)

// Details of credentials.
const (
	NoCredentials       Detail = "no_credentials"
	ExpiredCredentials  Detail = "expired_credentials"
	SSOSession          Detail = "sso_session"
	CredentialProcess   Detail = "credential_process"
	CredentialsEndpoint Detail = "credentials_endpoint"
	WebIdentity         Detail = "web_identity"
	Signature           Detail = "signature"
	Clock               Detail = "clock"
	// AssumedRegion: AWS does not know the credentials in the Region that the
	// exporter uses because none is configured.
	AssumedRegion Detail = "assumed_region"
)

// Details of the network and of time limits.
const (
	// ForeignResponse: the response is not from AWS.
	ForeignResponse Detail = "foreign_response"
	// Redirect: the response is a redirect, which AWS does not send.
	Redirect Detail = "redirect"
	// Proxy: the request failed at the proxy.
	Proxy Detail = "proxy"
	// Certificate: that of the endpoint is not trusted.
	Certificate Detail = "certificate"
	// ManagementRegions: AWS lists the Regions of a management account to no other.
	ManagementRegions Detail = "management_regions"
	// Pending: there was no attempt to read it yet.
	Pending Detail = "pending"
	// SweepTimeout: the sweep ended before the target was read.
	SweepTimeout Detail = "sweep_timeout"
)
