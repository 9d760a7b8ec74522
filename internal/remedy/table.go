package remedy

import "github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"

// key is a reason, a detail, or a detail of one reason.
type key struct {
	reason inventory.Reason
	detail inventory.Detail
}

// entry is a row of the table.
type entry struct {
	key
	meaning, fix, command string
	// transient is whether the request may succeed without a fix.
	transient bool
}

// unsupported is the detail of failures that have the field of that name.
const unsupported inventory.Detail = "unsupported"

// policies prints the policies for a configuration.
const policies = "access-analyzer-exporter iam-policy"

// otherAdmins is for an account that may own organization analyzers.
const otherAdmins = "If it owns none, list the accounts that do (accounts.organization_admins). " +
	"If only analyzers of the account itself count, set coverage.external.scopes: [account]."

// table has a row for each reason, followed by those of its details.
var table = []entry{
	{
		key: key{inventory.AccessDenied, ""}, meaning: "the exporter's role lacks the permission",
		fix: "Grant the permissions that the configuration needs. This prints the policies:", command: policies,
	},
	{
		key: key{"", inventory.ExplicitDeny}, meaning: "a policy of the exporter's role, user or group denies the request explicitly",
		fix: "Remove the deny statement from that policy. Further allow statements have no effect.",
	},
	{
		key: key{"", inventory.UnnamedPolicy}, meaning: "a policy that AWS does not name denies the request explicitly",
		fix: "Look for a deny statement in the policies of the exporter's role, in SCPs, RCPs and VPC endpoint policies. Further allow statements have no effect.",
	},
	{
		key: key{"", inventory.PermissionsBoundary}, meaning: "the permissions boundary of the exporter's role does not allow the request",
		fix: "Allow the same permissions in the boundary as in the policies. This prints them:", command: policies,
	},
	{
		key: key{"", inventory.SessionPolicy}, meaning: "the session policy of the exporter's credentials does not allow the request",
		fix: "Create the credentials without a session policy, or with one that allows the permissions that this prints:", command: policies,
	},
	{
		key: key{"", inventory.ResourceControlPolicy}, meaning: "a resource control policy (RCP) of the organization denies the request",
		fix: "Allow the exporter's role in the RCP. Policies of the role have no effect on it.",
	},
	{
		key: key{"", inventory.EndpointPolicy}, meaning: "the policy of a VPC endpoint does not allow the request",
		fix: "Allow the exporter's role and the action in the policy of the VPC endpoint that the request uses. Policies of the role have no effect on it.",
	},
	{
		key: key{inventory.AccessDenied, inventory.ResourcePolicy}, meaning: "the policy of the resource does not allow the request",
		fix: "Allow the exporter's role in the policy of the resource, such as the queue policy of events.queue_url or the policy of its KMS key.",
	},
	{
		key: key{"", inventory.QueueKey}, meaning: "the key that encrypts the event queue cannot be used",
		fix: "Allow kms:Decrypt for the exporter's role in the key policy, and check that the key is enabled.",
	},
	{
		key: key{"", inventory.NotOrganizationAdmin}, meaning: "only the management account and delegated administrators can list the organization",
		fix: "Run the exporter with credentials of the delegated administrator of Access Analyzer, or of the management account. " +
			"From another account, set AWS_PROFILE to a profile with role_arn and source_profile. For this account alone, set accounts.discovery: none.",
	},
	{
		key: key{"", inventory.AdminsNotListed}, meaning: "only the management account and delegated administrators can list the accounts that own organization analyzers",
		fix: "Run the exporter with credentials of the delegated administrator of Access Analyzer. " +
			"Else list these accounts (accounts.organization_admins) with a role in each (accounts.static). " +
			"If only analyzers of the account itself count, set coverage.external.scopes: [account].",
	},
	{
		key: key{"", inventory.TrustedAccess}, meaning: "AWS Account Management has no trusted access to the organization",
		fix:     "Give the exporter a role in the account, or run this in the management account:",
		command: "aws organizations enable-aws-service-access --service-principal account.amazonaws.com",
	},
	{
		key: key{"", inventory.NotSubscribed}, meaning: "AWS has not activated the account, or has suspended it",
		fix: "Check the state of the account in AWS Organizations, its registration and its billing. If the service is not for your account, exclude the Region (regions.exclude).",
	},
	{
		key: key{inventory.SCPDenied, ""}, meaning: "a service control policy (SCP) denies the request",
		fix: "Allow the exporter's role in the SCP, or exclude the Region (regions.exclude). If no resource can exist there, exempt it (coverage.exemptions).",
	},
	{
		key: key{inventory.AssumeRoleDenied, ""}, meaning: "the role in the account could not be assumed",
		fix: "The role is missing, its trust policy denies access, the external ID differs, or the account is closed. " +
			"Compare assume_role.name and external_id. A service-managed StackSet creates no role in the management account. This prints the role's policies:",
		command: policies,
	},
	{
		key: key{inventory.AssumeRoleDenied, inventory.IdentityPolicy}, meaning: "the exporter's own role lacks the permission to assume the role in the account",
		fix: "Grant sts:AssumeRole for assume_role.name. This prints the policy:", command: policies + " hub",
	},
	{
		key: key{inventory.AssumeRoleDenied, inventory.ResourcePolicy}, meaning: "the trust policy of the role in the account does not allow the exporter's role",
		fix: "Replace the trust policy. This prints it:", command: policies + " trust",
	},
	{
		key: key{"", inventory.TagSession}, meaning: "the role does not allow the session tags of the exporter's credentials",
		fix: "Allow sts:TagSession in the trust policy of the role and in the policy of the exporter's role, " +
			"or disable the session tags of the EKS Pod Identity association. A wrong external ID has the same error. This prints the policies:",
		command: policies + " --session-tags",
	},
	{
		key: key{"", inventory.SourceIdentity}, meaning: "the role does not allow the source identity of the exporter's credentials",
		fix: "Allow sts:SetSourceIdentity in the trust policy of the role and in the policy of the exporter's role, or use credentials without a source identity.",
	},
	{
		key: key{"", inventory.RootUser}, meaning: "the exporter's credentials are of the root user, which cannot assume roles",
		fix: "Use credentials of a role or of an IAM user.",
	},
	{
		key: key{"", inventory.OwnRole}, meaning: "the role that the exporter starts with could not be assumed",
		fix: "Check role_arn and source_profile of the profile, and the trust policy of that role. This command must succeed in the exporter's environment:", command: "aws sts get-caller-identity",
	},
	{
		key: key{"", inventory.InvalidOwnRole}, meaning: "AWS rejected the parameters of the role that the exporter starts with",
		fix: "Check AWS_ROLE_ARN and AWS_ROLE_SESSION_NAME, or role_arn, external_id, role_session_name and duration_seconds of the profile. " +
			"A role that is assumed with the credentials of another role has a session of at most 3,600 seconds.",
	},
	{
		key: key{"", inventory.SessionTags}, meaning: "the session tags of the exporter's credentials are too large to assume a role",
		fix:     "Disable the session tags of the EKS Pod Identity association, or shorten its namespace and service account:",
		command: "aws eks update-pod-identity-association --cluster-name CLUSTER --association-id ASSOCIATION --disable-session-tags",
	},
	{
		key: key{"", inventory.InvalidRole}, meaning: "AWS rejected the parameters of AssumeRole",
		fix: "Check assume_role.name, external_id and session_name; role_arn of accounts.static must be the ARN of a role.",
	},
	{
		key: key{inventory.Credentials, ""}, meaning: "the exporter's credentials are missing, invalid or expired",
		fix: "Configure valid credentials. This command must succeed in the exporter's environment:", command: "aws sts get-caller-identity",
	},
	{
		key: key{"", inventory.NoCredentials}, meaning: "no credentials were found",
		fix: "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine, task or pod a role. " +
			"In a container on EC2, IMDS needs a hop limit of 2.",
	},
	{
		key: key{"", inventory.ExpiredCredentials}, meaning: "the credentials have expired",
		fix: "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to those of a new session, or unset all three to use AWS_PROFILE. " +
			"If the profile has them, renew them there. Roles of a machine, task or pod are renewed by AWS.",
	},
	{
		key: key{"", inventory.RoleSession}, meaning: "AWS rejected the session of the role in the account", transient: true,
		fix: "The role is then assumed again. If the error persists, check the clock of the machine, and whether the role is re-created or its sessions are revoked.",
	},
	{
		key: key{"", inventory.SpaceInKey}, meaning: "the credentials have a space, a line end or a control character",
		fix: "Remove it from the variable or file that the error message names. Secrets that are made of a file often end with a line end.",
	},
	{
		key: key{"", inventory.SSOSession}, meaning: "the SSO session of the profile has expired or does not exist",
		fix: "Log in with the profile in use (AWS_PROFILE):", command: "aws sso login",
	},
	{
		key: key{"", inventory.LoginSession}, meaning: "the console login of the profile has expired or does not exist",
		fix: "Run aws login with the profile in use (AWS_PROFILE).",
	},
	{
		key: key{"", inventory.SSORole}, meaning: "the SSO session is valid, but has no access to the role of the profile",
		fix: "Check sso_account_id and sso_role_name of the profile, and that the permission set is assigned to the user in that account.",
	},
	{
		key: key{"", inventory.SSOCache}, meaning: "the cached token of the SSO session cannot be read or replaced",
		fix: "Check the owner and mode of ~/.aws/sso/cache. It must be writable: the SDK replaces the token every hour.",
	},
	{
		key: key{"", inventory.CredentialProcess}, meaning: "the credential_process of the profile failed or did not end",
		fix: "Run the command of credential_process as the user of the exporter, and fix its error. It must not ask for input.",
	},
	{
		key: key{"", inventory.CredentialsEndpoint}, meaning: "the credentials endpoint of the pod, task or machine returned no credentials",
		fix: "Check the EKS Pod Identity agent or the ECS agent, and network policies that block its address. The exporter requests it without a proxy.",
	},
	{
		key: key{"", inventory.CredentialsRejected}, meaning: "the credentials endpoint of the pod or task rejected the request",
		fix: "Check the EKS Pod Identity association or the role of the ECS task. The trust policy of the role must allow pods.eks.amazonaws.com " +
			"(sts:AssumeRole and sts:TagSession) or ecs-tasks.amazonaws.com.",
	},
	{
		key: key{inventory.Throttled, inventory.CredentialsEndpoint}, meaning: "the credentials endpoint of the pod or task throttled the request", transient: true,
		fix: "If the error persists, check the log of the EKS Pod Identity agent, and other pods of the node that request credentials.",
	},
	{
		key: key{"", inventory.NodeRole}, meaning: "the role of the EKS node does not allow the EKS Pod Identity agent to request credentials",
		fix: "Attach the policy AmazonEKSWorkerNodePolicy to the role of the node, or allow it eks-auth:AssumeRoleForPodIdentity.",
	},
	{
		key: key{"", inventory.RejectedToken}, meaning: "the credentials endpoint rejected the authorization token of the pod",
		fix: "Check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, or AWS_CONTAINER_AUTHORIZATION_TOKEN. Kubernetes renews the token that it mounts, but not a copy of it.",
	},
	{
		key: key{"", inventory.WebIdentityAudience}, meaning: "the web identity token is for an audience that the OIDC provider in IAM does not list",
		fix: "Mount a token for the audience sts.amazonaws.com, or add the audience of the token to the OIDC provider.",
	},
	{
		key: key{"", inventory.WebIdentityKeys}, meaning: "AWS could not fetch the keys of the issuer of the web identity token", transient: true,
		fix: "If the error persists, check that /.well-known/openid-configuration of the issuer and the keys that it names can be fetched from the internet.",
	},
	{
		key: key{"", inventory.WebIdentity}, meaning: "AWS rejected the web identity token",
		fix: "Check the role of the service account, the OIDC provider of the cluster in the account, and the namespace and service account in the role's trust policy.",
	},
	{
		key: key{"", inventory.ExpiredWebIdentity}, meaning: "the web identity token has expired",
		fix: "Renew the file of AWS_WEB_IDENTITY_TOKEN_FILE. Kubernetes renews the token that it mounts, but not a copy of it.",
	},
	{
		key: key{"", inventory.WebIdentityFile}, meaning: "the file of the web identity token cannot be read",
		fix: "Check AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file of the profile. The error message has the path and the cause.",
	},
	{
		key: key{"", inventory.AuthorizationToken}, meaning: "the authorization token for the credentials endpoint cannot be read, or has a line end",
		fix: "Check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, or AWS_CONTAINER_AUTHORIZATION_TOKEN. The error message has the path and the cause.",
	},
	{
		key: key{"", inventory.Signature}, meaning: "AWS rejected the signature of the request",
		fix: "Check AWS_SECRET_ACCESS_KEY for missing characters. A proxy that changes or removes headers has the same effect.",
	},
	{
		key: key{"", inventory.SignedScope}, meaning: "the request was signed for another Region or service than that of the endpoint",
		fix: "Check AWS_REGION, AWS_ENDPOINT_URL and events.queue_url: each endpoint must be that of the Region and of the service.",
	},
	{
		key: key{"", inventory.TokenMissing}, meaning: "AWS_ACCESS_KEY_ID is the key of a session, but AWS_SESSION_TOKEN is not set",
		fix: "Set AWS_SESSION_TOKEN to the token of the same session. Keys that begin with ASIA are invalid without it.",
	},
	{
		key: key{"", inventory.TokenOfOtherKey}, meaning: "AWS_SESSION_TOKEN is set, but AWS_ACCESS_KEY_ID is the key of a user",
		fix: "Unset AWS_SESSION_TOKEN. Keys that begin with AKIA have none.",
	},
	{
		key: key{"", inventory.Clock}, meaning: "the exporter's clock differs from that of AWS by more than five minutes",
		fix: "Synchronize the clock of the machine.",
	},
	{
		key: key{"", inventory.AssumedRegion}, meaning: "the credentials are unknown in us-east-1, which the exporter uses because no Region is configured",
		fix: "For AWS GovCloud (US) or China, set AWS_REGION to a Region there, such as us-gov-west-1 or cn-north-1. Otherwise check the access key.",
	},
	{
		key: key{inventory.RegionDisabled, ""}, meaning: "the Region is not enabled for the account",
		fix: "Enable the Region for the account, or exclude it (regions.exclude).",
	},
	{
		key: key{"", inventory.STSRegion}, meaning: "AWS STS is not enabled for the account in the Region of the exporter",
		fix: "Set AWS_REGION to a Region that is enabled in all accounts, such as us-east-1, or activate the STS endpoint in the account settings of IAM.",
	},
	{
		key: key{"", inventory.GlobalToken}, meaning: "the Region is not enabled for the account, or rejects tokens of the global STS endpoint",
		fix: "Enable the Region for the account, or exclude it (regions.exclude). " +
			"If it is enabled, create the exporter's credentials at a regional STS endpoint (AWS_STS_REGIONAL_ENDPOINTS=regional).",
	},
	{
		key: key{inventory.RegionUnsupported, ""}, meaning: "AWS has no Access Analyzer endpoint in the Region, or its name cannot be resolved",
		fix: "Exclude the Region (regions.exclude). If the Region has the service, check the exporter's DNS.",
	},
	{
		key: key{inventory.Throttled, ""}, meaning: "AWS throttled the request, and all attempts failed", transient: true,
		fix: "If the error persists, lower sweep.concurrency or lengthen sweep.interval.",
	},
	{
		key: key{inventory.Throttled, inventory.Gateway}, meaning: "a proxy or a load balancer limits the rate of requests", transient: true,
		fix: "If the error persists, raise its limit, or lower sweep.concurrency.",
	},
	{
		key: key{inventory.Timeout, ""}, meaning: "AWS did not answer in time", transient: true,
		fix: "If the error persists, check network connectivity to AWS or raise sweep.timeout.",
	},
	{
		key: key{"", inventory.SweepTimeout}, meaning: "the sweep ended before the target was read",
		fix: "Raise sweep.timeout or sweep.concurrency, or read less (assume_role.enter: uncovered, regions.exclude).",
	},
	{
		key: key{"", inventory.FindingsTimeout}, meaning: "the list of an analyzer's findings did not end in time",
		fix: "If the analyzer has that many findings, raise findings.interval or count fewer findings.statuses. Else check the endpoint or proxy: it may repeat pages.",
	},
	{
		key: key{inventory.Network, ""}, meaning: "AWS could not be reached",
		fix: "Check the exporter's DNS, proxy, routes and VPC endpoints to that service and Region.",
	},
	{
		key: key{"", inventory.NotConnected}, meaning: "no connection to AWS was established in time", transient: true,
		fix: "If the error persists, check DNS, security groups, NAT gateway or proxy, and VPC endpoints to that service and Region.",
	},
	{
		key: key{"", inventory.NoRoute}, meaning: "there is no route to the address of AWS",
		fix: "Check routes and firewalls. In a network with IPv6 alone, set AWS_USE_DUALSTACK_ENDPOINT=true.",
	},
	{
		key: key{"", inventory.NoVariant}, meaning: "the FIPS or dual-stack endpoint of the service in the Region does not exist, or its name cannot be resolved",
		fix: "Unset AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT (in a profile: use_fips_endpoint, use_dualstack_endpoint), or exclude the Region (regions.exclude). " +
			"If the Region has that endpoint, check the exporter's DNS.",
	},
	{
		key: key{"", inventory.EndpointConflict}, meaning: "AWS_ENDPOINT_URL and FIPS or dual-stack endpoints exclude each other",
		fix: "Unset AWS_ENDPOINT_URL and endpoint_url of the profile, or AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT.",
	},
	{
		key: key{"", inventory.Descriptors}, meaning: "the exporter or its machine has too many open files",
		fix: "Raise the limit of open files (ulimit -n, LimitNOFILE), or lower sweep.concurrency.",
	},
	{
		key: key{"", inventory.Proxy}, meaning: "the proxy could not be reached, or did not connect to AWS",
		fix: "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and whether the proxy allows that user and host.",
	},
	{
		key: key{"", inventory.Certificate}, meaning: "the certificate of the endpoint is not trusted",
		fix: "If a proxy inspects TLS, set AWS_CA_BUNDLE to a file with its CA certificate. Else check the CA certificates of the image or host, and the clock.",
	},
	{
		key: key{inventory.ServiceError, ""}, meaning: "AWS returned an internal error", transient: true,
		fix: "If the error persists, check AWS Health.",
	},
	{
		key: key{"", inventory.Gateway}, meaning: "a proxy or a load balancer answered with a server error instead of the AWS API", transient: true,
		fix: "If the error persists, check the proxy, AWS_ENDPOINT_URL and AWS Health.",
	},
	{
		key: key{inventory.MalformedResponse, ""}, meaning: "the response is not valid",
		fix: "Check for a proxy between the exporter and AWS that changes responses.",
	},
	{
		key: key{"", inventory.ForeignResponse}, meaning: "a proxy or filter answered instead of AWS",
		fix: "Allow the endpoints of AWS in the proxy or filter, and check AWS_ENDPOINT_URL. Permissions are not the cause.",
	},
	{
		key: key{"", inventory.Redirect}, meaning: "a proxy or filter answered with a redirect, which AWS does not send",
		fix: "Allow the endpoints of AWS in the proxy or filter, and check AWS_ENDPOINT_URL and events.queue_url.",
	},
	{
		key: key{inventory.Other, ""}, meaning: "the request failed with another error",
		fix: "The error message in the log has the cause.",
	},
	{
		key: key{"", inventory.UnknownOperation}, meaning: "the endpoint does not support the operation",
		fix: "Check AWS_ENDPOINT_URL and events.queue_url: each endpoint must be that of the service, and an emulator must support it.",
	},
	{
		key: key{"", inventory.Canceled}, meaning: "the exporter stopped before AWS answered", transient: true,
		fix: "Nothing else is wrong with the request.",
	},
	{
		key: key{"", inventory.ManagementRegions}, meaning: "AWS lists the Regions of a management account only to that account",
		fix: "Give the exporter a role in the management account (accounts.static), or exclude the account. Until then, Regions that it may have enabled are unknown.",
	},
	{
		key: key{"", inventory.AccountState}, meaning: "AWS returned a state of the account that this version does not know",
		fix: "Update the exporter. Exclude the account (accounts.exclude) if it is not in use.",
	},
	{
		key: key{"", inventory.Pending}, meaning: "there was no attempt to read it yet",
		fix: "Large organizations take minutes to list. Regions of members without a role are listed at five accounts a second.",
	},
	{
		key: key{"", inventory.Stale}, meaning: "the last known state is too old, and was not read again",
		fix: "Raise sweep.timeout or sweep.concurrency. If reloads cancel every sweep, change the configuration less often.",
	},
	{
		key: key{"", inventory.NotInOrganization}, meaning: "the account is not in an organization",
		fix: "Run the exporter with credentials of an account in the organization, or set accounts.discovery: none.",
	},
	{
		key: key{"", inventory.NoQueue}, meaning: "the event queue does not exist in that Region and account",
		fix: "Check events.queue_url, and create the queue with the templates of deploy/iam.",
	},
	{
		key:     key{"", unsupported},
		meaning: "this version of the exporter does not support the type or the configuration of an analyzer that may cover the target",
		fix:     "Update the exporter. Until a version supports it, exempt targets that it covers (coverage.exemptions).",
	},
	{
		key: key{"", inventory.NoRole}, meaning: "the organization of the account cannot be read without a role",
		fix: "Set assume_role.name, or role_arn of the account in accounts.static.",
	},
	{
		key: key{"", inventory.OtherOrganization}, meaning: "the delegated administrators of another organization cannot be listed",
		fix: "List the accounts that own its organization analyzers (accounts.organization_admins).",
	},
	{
		key: key{"", inventory.Undefined}, meaning: "the analyzer's inclusions and exclusions are unknown, or its configuration does not define them",
		fix: "Where an inclusion has an ARN without an account, add the account. Divide an exclusion that has accounts and tags into two.",
	},
	{
		key: key{"", inventory.OutOfScope}, meaning: "the account may own organization analyzers and is not in scope",
		fix: "Include the account, or give the exporter a role in it (accounts.static). " + otherAdmins,
	},
	{
		key: key{"", inventory.AdminNotQueried}, meaning: "the account may own organization analyzers, and the exporter does not assume a role in it",
		fix: "Set assume_role.name, or role_arn of the account in accounts.static. " + otherAdmins,
	},
	{
		key: key{"", inventory.NotQueried}, meaning: "the exporter does not assume a role in the account",
		fix: "Set assume_role.name, or accept organization analyzers only (scopes: [organization]).",
	},
	{
		key: key{"", inventory.RegionOutOfScope}, meaning: "a Region that may have an analyzer for the account is not in scope",
		fix: "Include the Region (regions.include, regions.exclude), or list the accounts that own organization analyzers (accounts.organization_admins).",
	},
	{
		key: key{"", inventory.NotAttributable}, meaning: "the organization of an analyzer that may cover the account is unknown",
		fix: "If the owner was registered as delegated administrator or left its organization lately, wait for the next discovery and sweep. Else list the accounts that own organization analyzers (accounts.organization_admins).",
	},
	{
		key: key{"", inventory.Skipped}, meaning: "members were not read, because organization analyzers covered them", transient: true,
		fix: "Set assume_role.enter: always to read all accounts in each sweep.",
	},
}

// managementRole is for the management account, whose role a service-managed
// StackSet does not create.
var managementRole = entry{
	meaning: "the role in the management account could not be assumed",
	fix: "A service-managed StackSet does not create it there. Create it with a stack of its own (deploy/iam). " +
		"Without it, exclude the account (accounts.exclude) and list those that own organization analyzers (accounts.organization_admins). This prints its policies:",
	command: policies,
}
