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
	// UnnamedPolicy: an explicit deny, without the kind of policy.
	UnnamedPolicy Detail = "unnamed_policy"
	// TagSession: the role does not allow the session tags of the caller.
	TagSession Detail = "tag_session"
	// SourceIdentity: the role does not allow the source identity of the caller.
	SourceIdentity Detail = "source_identity"
	// RootUser: the caller is the root user, which cannot assume roles.
	RootUser Detail = "root_user"
	// STSRegion: STS is not available to the account in the exporter's Region.
	STSRegion Detail = "sts_region"
	// NotOrganizationAdmin: the account cannot list its organization.
	NotOrganizationAdmin Detail = "not_organization_admin"
	// AdminsNotListed: the account cannot list the delegated administrators.
	AdminsNotListed Detail = "admins_not_listed"
	// TrustedAccess: Account Management has no trusted access to the organization.
	TrustedAccess Detail = "trusted_access"
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
	// InvalidOwnRole: the parameters of that role are invalid.
	InvalidOwnRole Detail = "invalid_own_role"
	// NotSubscribed: AWS has not activated the account, or suspended it.
	NotSubscribed Detail = "not_subscribed"
	// GlobalToken: the Region is disabled, or rejects tokens of the global STS.
	GlobalToken Detail = "global_token"
)

// Details of what was never requested, or does not determine the coverage. Only the
// exporter itself sets them, so that the error of a request never has their fix.
const (
	// NoRole: the organization of the account cannot be read without a role.
	NoRole Detail = "no_role"
	// OtherOrganization: its delegated administrators cannot be listed.
	OtherOrganization Detail = "other_organization"
	// Undefined: the configuration of an analyzer does not determine what it covers.
	Undefined Detail = "undefined"
	// OutOfScope: an account that may own organization analyzers is not in scope.
	OutOfScope Detail = "out_of_scope"
	// RegionOutOfScope: a Region that may have an analyzer is not in scope.
	RegionOutOfScope Detail = "region_out_of_scope"
	// NotQueried: the exporter assumes no role in the account.
	NotQueried Detail = "not_queried"
	// AdminNotQueried: it assumes none in one that may own organization analyzers.
	AdminNotQueried Detail = "admin_not_queried"
	// NotAttributable: an analyzer may belong to another organization.
	NotAttributable Detail = "not_attributable"
	// Skipped: the account was not read, because its targets were covered.
	Skipped Detail = "skipped"
)

// Details of credentials.
const (
	NoCredentials      Detail = "no_credentials"
	ExpiredCredentials Detail = "expired_credentials"
	// RoleSession: AWS rejected the session of a role that the exporter assumed.
	RoleSession         Detail = "role_session"
	SSOSession          Detail = "sso_session"
	LoginSession        Detail = "login_session"
	SSORole             Detail = "sso_role"
	SSOCache            Detail = "sso_cache"
	CredentialProcess   Detail = "credential_process"
	CredentialsEndpoint Detail = "credentials_endpoint"
	CredentialsRejected Detail = "credentials_rejected"
	// NodeRole: the role of the EKS node may not request credentials for pods.
	NodeRole Detail = "node_role"
	// RejectedToken: the credentials endpoint rejected the authorization token.
	RejectedToken Detail = "rejected_token"
	WebIdentity   Detail = "web_identity"
	// WebIdentityAudience: the web identity token is for another audience.
	WebIdentityAudience Detail = "web_identity_audience"
	// WebIdentityKeys: AWS could not fetch the keys of the token's issuer.
	WebIdentityKeys Detail = "web_identity_keys"
	Signature       Detail = "signature"
	// ExpiredWebIdentity: the web identity token has expired.
	ExpiredWebIdentity Detail = "expired_web_identity"
	// WebIdentityFile: the file of the web identity token cannot be read.
	WebIdentityFile Detail = "web_identity_file"
	// AuthorizationToken: that for the credentials endpoint cannot be read or used.
	AuthorizationToken Detail = "authorization_token"
	// SpaceInKey: the keys have characters that cannot be sent.
	SpaceInKey Detail = "space_in_key"
	Clock      Detail = "clock"
	// SignedScope: the request was signed for another Region or service.
	SignedScope Detail = "signed_scope"
	// TokenMissing: the key in the environment is temporary and has no token.
	TokenMissing Detail = "token_missing"
	// TokenOfOtherKey: the token in the environment is not for the key.
	TokenOfOtherKey Detail = "token_of_other_key"
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
	// UnknownOperation: the endpoint is that of another service or of an emulator.
	UnknownOperation Detail = "unknown_operation"
	// Gateway: a server error that is not from the AWS API.
	Gateway Detail = "gateway"
	// Canceled: the exporter canceled the request.
	Canceled Detail = "canceled"
	// Proxy: the request failed at the proxy.
	Proxy Detail = "proxy"
	// NotConnected: no connection was established in time.
	NotConnected Detail = "not_connected"
	// NoRoute: there is no route to the address.
	NoRoute Detail = "no_route"
	// NoVariant: the name of a FIPS or dual-stack endpoint does not exist.
	NoVariant Detail = "no_variant"
	// EndpointConflict: endpoints are configured in two ways that exclude each other.
	EndpointConflict Detail = "endpoint_conflict"
	// Descriptors: the process or the machine has too many open files.
	Descriptors Detail = "descriptors"
	// Certificate: that of the endpoint is not trusted.
	Certificate Detail = "certificate"
	// ManagementRegions: AWS lists the Regions of a management account to no other.
	ManagementRegions Detail = "management_regions"
	// AccountState: the state of an account is unknown.
	AccountState Detail = "account_state"
	// Pending: there was no attempt to read it yet.
	Pending Detail = "pending"
	// Stale: the value is too old to be used, and was not read again.
	Stale Detail = "stale"
	// SweepTimeout: the sweep ended before the target was read.
	SweepTimeout Detail = "sweep_timeout"
	// FindingsTimeout: the findings of an analyzer were not listed to their end in time.
	FindingsTimeout Detail = "findings_timeout"
)
