package awsapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// deniers are the kinds of policy as AWS names them in "with an explicit deny in
// a …" and "because no … allows". Not every service says which policy denied.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
var deniers = []struct {
	name   string
	detail inventory.Detail
}{
	{"resource control policy", inventory.ResourceControlPolicy},
	{"permissions boundary", inventory.PermissionsBoundary},
	{"session policy", inventory.SessionPolicy},
	{"vpc endpoint policy", inventory.EndpointPolicy},
	{"resource-based policy", inventory.ResourcePolicy},
	{"role trust policy", inventory.ResourcePolicy},
	{"identity-based policy", inventory.IdentityPolicy},
}

// refine sets the detail of a failure, and its reason where AWS returns the same
// code for several.
func (c *Client) refine(f *inventory.Failure, service string, a answer, err error) {
	switch f.Reason {
	case inventory.AccessDenied:
		refineDenied(f, service, a)
	case inventory.Credentials:
		f.Detail = credentialsDetail(f.Operation, a, c.regionAssumed)
	case inventory.RegionDisabled:
		switch {
		case service == sts.ServiceID:
			f.Detail = inventory.STSRegion
		case unknownCredentials(a.code):
			f.Detail = inventory.GlobalToken
		}
	case inventory.ServiceError, inventory.Throttled:
		if a.foreign() {
			f.Detail = inventory.Gateway
		}
	case inventory.MalformedResponse:
		switch {
		case !a.foreign():
		case a.status >= 300 && a.status < 400:
			f.Detail = inventory.Redirect
		default:
			f.Detail = inventory.ForeignResponse
		}
	case inventory.Network, inventory.RegionUnsupported, inventory.Timeout:
		f.Detail = networkDetail(err)
	case inventory.Other:
		f.Detail = endpointDetail(err)
	}
	switch {
	case errors.Is(err, context.Canceled):
		f.Detail = inventory.Canceled
	case (strings.HasPrefix(a.code, "KMS.") || strings.HasPrefix(a.code, "Kms")) && f.Reason != inventory.Throttled:
		f.Detail = inventory.QueueKey
	case slices.Contains(noQueue, a.code):
		f.Detail = inventory.NoQueue
	case a.code == "UnknownOperationException", a.code == "InvalidAction":
		f.Detail = inventory.UnknownOperation
	case f.Reason == inventory.AccessDenied && notSubscribed(a.code):
		f.Detail = inventory.NotSubscribed
	case a.code == notInUse:
		f.Detail = inventory.NotInOrganization
	case tooLarge(a.code):
		f.Reason, f.Detail = inventory.AssumeRoleDenied, inventory.SessionTags
	case a.code == "ValidationError" && f.Operation == "AssumeRole":
		f.Reason, f.Detail = inventory.AssumeRoleDenied, inventory.InvalidRole
	}
}

// noQueue are the codes for the URL of a queue that is not in the Region. Whether
// AWS sends the second or the first depends on the protocol.
var noQueue = []string{"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"}

// networkDetail is the detail of a request that got no response.
func networkDetail(err error) inventory.Detail {
	send, unsent := errors.AsType[*sendError](err)
	dns, lookup := errors.AsType[*net.DNSError](err)
	dial, isDial := errors.AsType[*net.OpError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case certificate:
		return inventory.Certificate
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return inventory.Descriptors
	case isDial && dial.Op == "proxyconnect":
		return inventory.Proxy
	case !unsent:
		return ""
	case send.proxy != "" && (isDial || !timedOut(err)):
		return inventory.Proxy // else AWS may be slow behind it
	case lookup && dns.IsNotFound && isVariant(send.host):
		return inventory.NoVariant
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return inventory.NoRoute
	case isDial && dial.Op == "dial" && timedOut(err):
		return inventory.NotConnected
	}
	return ""
}

// endpointDetail is the detail of a request for which the SDK has no endpoint. Its
// errors have no type.
func endpointDetail(err error) inventory.Detail {
	switch text := err.Error(); {
	case !strings.Contains(text, "endpoint rule error"):
		return ""
	case strings.Contains(text, "custom endpoint"):
		return inventory.EndpointConflict
	}
	return inventory.NoVariant // of the partition
}

// isVariant reports whether the host is a FIPS or dual-stack endpoint, which not
// every Region has.
// https://docs.aws.amazon.com/general/latest/gr/rande.html
func isVariant(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return strings.Contains(name, "-fips.") || strings.HasSuffix(name, ".api.aws")
}

// notSubscribed reports whether the code is for an account that may not use a
// service, which it is where a Region is disabled, too.
func notSubscribed(code string) bool {
	return code == "OptInRequired" || code == "SubscriptionRequiredException"
}

// refineDenied reads from the message which policy denied the request.
func refineDenied(f *inventory.Failure, service string, a answer) {
	text := strings.ToLower(a.text)
	if strings.Contains(text, "service control policy") {
		f.Reason = inventory.SCPDenied
		return
	}
	for _, p := range deniers {
		if strings.Contains(text, p.name) {
			f.Detail = p.detail
			break
		}
	}
	// Which of the two has to allow it differs by action and by service.
	grant := f.Detail == "" || f.Detail == inventory.IdentityPolicy || f.Detail == inventory.ResourcePolicy
	switch {
	case grant && strings.Contains(text, "sts:tagsession"):
		f.Detail = inventory.TagSession
	case grant && strings.Contains(text, "sts:setsourceidentity"):
		f.Detail = inventory.SourceIdentity
	case strings.Contains(text, "root accounts"):
		f.Detail = inventory.RootUser
	case f.Detail == "" && strings.Contains(text, "explicit deny"):
		f.Detail = inventory.UnnamedPolicy
	case f.Detail == inventory.IdentityPolicy && strings.Contains(text, "explicit deny"):
		f.Detail = inventory.ExplicitDeny
	// Organizations denies this to other accounts whatever their policies are,
	// and then names neither the caller nor the action.
	case f.Detail == "" && service == account.ServiceID && strings.Contains(text, "trusted access"):
		f.Detail = inventory.TrustedAccess
	case service == organizations.ServiceID && ofOtherAccount(f.Detail, text):
		f.Detail = inventory.NotOrganizationAdmin
		if f.Operation == "ListDelegatedAdministrators" {
			f.Detail = inventory.AdminsNotListed
		}
	case grant && f.Operation == "AssumeRoleWithWebIdentity":
		f.Reason, f.Detail = inventory.Credentials, inventory.WebIdentity
	case f.Operation == "AssumeRoleWithWebIdentity":
		f.Reason = inventory.AssumeRoleDenied
	}
}

// ofOtherAccount reports whether Organizations denied a request because the account
// is neither the management account nor a delegated administrator. The resource
// is the organization; its policy can delegate, too.
func ofOtherAccount(by inventory.Detail, text string) bool {
	return by == inventory.ResourcePolicy || by == "" && !strings.Contains(text, "not authorized to perform")
}

// credentialsDetail is the detail of credentials that AWS rejected.
func credentialsDetail(operation string, a answer, regionAssumed bool) inventory.Detail {
	text := strings.ToLower(a.text)
	switch {
	case a.code == "IDPCommunicationError", strings.Contains(text, "retrieve verification key"):
		return inventory.WebIdentityKeys
	case a.code == "InvalidIdentityToken" && strings.Contains(text, "audience"):
		return inventory.WebIdentityAudience
	case a.code == "InvalidIdentityToken", a.code == "IDPRejectedClaim":
		return inventory.WebIdentity
	case a.code == "RequestTimeTooSkewed", a.code == "RequestExpired",
		strings.Contains(text, "signature expired"), strings.Contains(text, "signature not yet current"):
		return inventory.Clock
	case strings.HasPrefix(a.code, "ExpiredToken") && operation == "AssumeRoleWithWebIdentity":
		return inventory.ExpiredWebIdentity
	case strings.HasPrefix(a.code, "ExpiredToken"):
		return inventory.ExpiredCredentials
	case strings.Contains(text, "credential should be scoped"):
		return inventory.SignedScope
	case a.code == "SignatureDoesNotMatch", strings.HasPrefix(a.code, "IncompleteSignature"), strings.HasPrefix(a.code, "InvalidSignature"),
		strings.HasPrefix(a.code, "MissingAuthenticationToken"):
		return inventory.Signature
	case unknownCredentials(a.code) && mismatch() != "":
		return mismatch()
	case regionAssumed && unknownCredentials(a.code):
		return inventory.AssumedRegion
	}
	return ""
}

// mismatch returns what is wrong between the access key and the session token in
// the environment, which are often copied separately; empty if nothing is.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func mismatch() inventory.Detail {
	key, token := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SESSION_TOKEN")
	switch {
	case strings.HasPrefix(key, "ASIA") && token == "":
		return inventory.TokenMissing
	case strings.HasPrefix(key, "AKIA") && token != "":
		return inventory.TokenOfOtherKey
	}
	return ""
}

// refineSession sets the detail of a request with credentials of a role that the
// exporter assumed. What is wrong with those in the environment is not their fix.
func refineSession(f *inventory.Failure, a *inventory.Account) {
	ofEnvironment := []inventory.Detail{"", inventory.ExpiredCredentials, inventory.AssumedRegion, inventory.TokenMissing, inventory.TokenOfOtherKey}
	if a.RoleARN != "" && f.Reason == inventory.Credentials && slices.Contains(ofEnvironment, f.Detail) {
		f.Detail = inventory.RoleSession
	}
}

// unknownCredentials reports whether the code is for an access key or a session
// token that AWS does not know.
func unknownCredentials(code string) bool {
	return code == "UnrecognizedClientException" || code == "InvalidClientTokenId"
}

// credentialFailure is the failure to get credentials for an account.
func (c *Client) credentialFailure(a *inventory.Account, region string, err error) *inventory.Failure {
	operation := "AssumeRole"
	if a.RoleARN == "" {
		operation = "GetCredentials"
	}
	f := c.failure(a.ID, region, operation, err)
	switch {
	case a.RoleARN == "":
		c.refineOwn(f, err)
	case f.Reason == inventory.AccessDenied:
		f.Reason = inventory.AssumeRoleDenied
	case f.Reason == inventory.Other && errorCode(err) == "":
		f.Reason = inventory.Credentials
	}
	return f
}

// Service IDs of the instance metadata service (IMDS), of AWS IAM Identity Center
// and of AWS Sign-In.
const instanceMetadata, singleSignOn, signIn = "ec2imds", "SSO", "Signin"

// refineOwn sets the reason of a failure to get the credentials that the exporter
// starts with.
func (c *Client) refineOwn(f *inventory.Failure, err error) {
	var (
		sso     *ssocreds.InvalidTokenError
		process *processcreds.ProviderError
	)
	service, _ := innermost(err)
	code := errorCode(err)
	_, space := errors.AsType[*spaceError](err)
	_, unsent := errors.AsType[*sendError](err)
	// Otherwise the session, which may well be valid, was not read by AWS.
	ofLogin := f.Reason == inventory.Other || f.Reason == inventory.AccessDenied || f.Reason == inventory.Credentials
	switch {
	case f.Detail == inventory.Canceled:
	case space:
		f.Reason, f.Detail = inventory.Credentials, inventory.SpaceInKey
	// Of these files, the SDK returns errors without a type.
	case strings.Contains(err.Error(), "failed to retrieve jwt"):
		f.Reason, f.Detail = inventory.Credentials, inventory.WebIdentityFile
	case strings.Contains(err.Error(), "authorization token"):
		f.Reason, f.Detail = inventory.Credentials, inventory.AuthorizationToken
	case ofLogin && hasSource(c.cfg.Credentials, aws.CredentialSourceLogin) && (service == "" || service == signIn):
		f.Reason, f.Detail = inventory.Credentials, inventory.LoginSession
	case unusableCache(err):
		f.Reason, f.Detail = inventory.Credentials, inventory.SSOCache
	// The SDK has no type for the error of a session that several profiles share.
	case ofLogin && (errors.As(err, &sso) || strings.Contains(err.Error(), "SSO token")):
		f.Reason, f.Detail = inventory.Credentials, inventory.SSOSession
	case errors.As(err, &process), timedOut(err) && !unsent && hasSource(c.cfg.Credentials, aws.CredentialSourceProcess):
		f.Reason, f.Detail = inventory.Credentials, inventory.CredentialProcess
		// The output may hold credentials.
		if before, _, printed := strings.Cut(f.Message, "parse failed of process output"); printed {
			f.Message = before + "the output is not the JSON of credentials"
		}
	case service == instanceMetadata:
		// The last source of the chain: there was none before it.
		f.Operation = "GetCredentials"
		f.Reason, f.Detail = inventory.Credentials, inventory.NoCredentials
		f.Message = cmp.Or(clue(err, c.cfg.Credentials), f.Message)
	case code == "AssumeRoleUnauthorizedAccess": // of the role of an EC2 instance
		f.Reason, f.Detail = inventory.AssumeRoleDenied, inventory.OwnRole
	case service == "" && isRejection(err):
		refineRejection(f, err)
	case service == "":
		f.Reason, f.Detail = inventory.Credentials, inventory.CredentialsEndpoint
	case service == sts.ServiceID && code == "ValidationError":
		f.Reason, f.Detail = inventory.AssumeRoleDenied, inventory.InvalidOwnRole
	case service == singleSignOn && (code == "ForbiddenException" || code == "ResourceNotFoundException"):
		f.Reason, f.Detail = inventory.Credentials, inventory.SSORole
	case f.Operation == "AssumeRole" && f.Reason == inventory.AccessDenied:
		f.Reason = inventory.AssumeRoleDenied
		if !slices.Contains(ofAnyRole, f.Detail) {
			f.Detail = inventory.OwnRole
		}
	case service != sts.ServiceID && (f.Reason == inventory.AccessDenied || f.Reason == inventory.Other):
		f.Reason, f.Detail = inventory.Credentials, inventory.SSOSession // SSO, SSO OIDC
	}
}

// ofAnyRole are the details whose fix is the same for the role that the exporter
// starts with and for those of members.
var ofAnyRole = []inventory.Detail{
	inventory.ResourceControlPolicy, inventory.EndpointPolicy, inventory.ExplicitDeny, inventory.UnnamedPolicy,
	inventory.SourceIdentity, inventory.RootUser,
}

// refineRejection sets the reason of what the credentials endpoint of a pod or task
// rejected. The agent of EKS has the errors of AWS in its text.
// https://github.com/aws/eks-pod-identity-agent
func refineRejection(f *inventory.Failure, err error) {
	var response interface{ HTTPStatusCode() int }
	text := strings.ToLower(err.Error())
	f.Reason, f.Detail = inventory.Credentials, inventory.CredentialsRejected
	switch {
	case errors.As(err, &response) && response.HTTPStatusCode() == http.StatusTooManyRequests:
		f.Reason, f.Detail = inventory.Throttled, inventory.CredentialsEndpoint
	case strings.Contains(text, "perform: eks-auth:"):
		f.Detail = inventory.NodeRole
	case strings.Contains(text, "tokenexception"), strings.Contains(text, "account token"):
		f.Detail = inventory.RejectedToken
	}
}

// unusableCache reports whether the cached token of an SSO session exists and
// cannot be read, or cannot be replaced.
func unusableCache(err error) bool {
	file, ok := errors.AsType[*fs.PathError](err)
	return ok && !errors.Is(file, fs.ErrNotExist) && strings.Contains(err.Error(), "SSO token") ||
		strings.Contains(err.Error(), "unable to cache refreshed SSO token")
}

// isRejection reports whether the credentials endpoint of a pod or task answered
// that it returns none.
func isRejection(err error) bool {
	var response interface{ HTTPStatusCode() int }
	if !errors.As(err, &response) {
		return false
	}
	status := response.HTTPStatusCode()
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError
}
