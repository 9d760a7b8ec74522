package awsapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"strings"

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
		if service == sts.ServiceID {
			f.Detail = inventory.STSRegion
		}
	case inventory.ServiceError:
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
	case inventory.Network:
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			f.Detail = inventory.Certificate
		} else if send, ok := errors.AsType[*sendError](err); ok && send.proxy != "" {
			f.Detail = inventory.Proxy
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		f.Detail = inventory.Canceled
	case strings.HasPrefix(a.code, "KMS.") && f.Reason != inventory.Throttled:
		f.Detail = inventory.QueueKey
	case a.code == "AWS.SimpleQueueService.NonExistentQueue", a.code == "QueueDoesNotExist":
		f.Detail = inventory.NoQueue
	case a.code == notInUse:
		f.Detail = inventory.NotInOrganization
	case tooLarge(a.code):
		f.Reason, f.Detail = inventory.AssumeRoleDenied, inventory.SessionTags
	case a.code == "ValidationError" && f.Operation == "AssumeRole":
		f.Reason, f.Detail = inventory.AssumeRoleDenied, inventory.InvalidRole
	}
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
	switch {
	case f.Detail == "" && strings.Contains(text, "sts:tagsession"):
		f.Detail = inventory.TagSession
	case f.Detail == "" && strings.Contains(text, "explicit deny"):
		f.Detail = inventory.UnnamedPolicy
	case f.Detail == inventory.IdentityPolicy && strings.Contains(text, "explicit deny"):
		f.Detail = inventory.ExplicitDeny
	// Organizations denies this to other accounts whatever their policies are,
	// and then names neither the caller nor the action.
	case f.Detail == "" && service == account.ServiceID && strings.Contains(text, "trusted access"):
		f.Detail = inventory.TrustedAccess
	case f.Detail == "" && f.Operation == "ListDelegatedAdministrators" && !strings.Contains(text, "not authorized to perform"):
		f.Detail = inventory.AdminsNotListed
	case f.Detail == "" && service == organizations.ServiceID && !strings.Contains(text, "not authorized to perform"):
		f.Detail = inventory.NotOrganizationAdmin
	case f.Operation == "AssumeRoleWithWebIdentity":
		f.Reason, f.Detail = inventory.Credentials, inventory.WebIdentity
	}
}

// credentialsDetail is the detail of credentials that AWS rejected.
func credentialsDetail(operation string, a answer, regionAssumed bool) inventory.Detail {
	text := strings.ToLower(a.text)
	switch {
	case a.code == "InvalidIdentityToken", a.code == "IDPCommunicationError", a.code == "IDPRejectedClaim":
		return inventory.WebIdentity
	case a.code == "RequestTimeTooSkewed", a.code == "RequestExpired",
		strings.Contains(text, "signature expired"), strings.Contains(text, "signature not yet current"):
		return inventory.Clock
	case strings.HasPrefix(a.code, "ExpiredToken") && operation == "AssumeRoleWithWebIdentity":
		return inventory.ExpiredWebIdentity
	case strings.HasPrefix(a.code, "ExpiredToken"):
		return inventory.ExpiredCredentials
	case a.code == "SignatureDoesNotMatch", strings.HasPrefix(a.code, "IncompleteSignature"), strings.HasPrefix(a.code, "InvalidSignature"),
		strings.HasPrefix(a.code, "MissingAuthenticationToken"):
		return inventory.Signature
	case regionAssumed && unknownCredentials(a.code):
		return inventory.AssumedRegion
	}
	return ""
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
		refineOwn(f, err)
	case f.Reason == inventory.AccessDenied:
		f.Reason = inventory.AssumeRoleDenied
	case f.Reason == inventory.Other && errorCode(err) == "":
		f.Reason = inventory.Credentials
	}
	return f
}

// instanceMetadata is the service ID of the instance metadata service (IMDS).
const instanceMetadata = "ec2imds"

// refineOwn sets the reason of a failure to get the credentials that the exporter
// starts with.
func refineOwn(f *inventory.Failure, err error) {
	var (
		sso     *ssocreds.InvalidTokenError
		process *processcreds.ProviderError
	)
	service, _ := innermost(err)
	_, space := errors.AsType[*spaceError](err)
	switch {
	case f.Detail == inventory.Canceled:
	case space:
		f.Reason, f.Detail = inventory.Credentials, inventory.SpaceInKey
	// Of these files, the SDK returns errors without a type.
	case strings.Contains(err.Error(), "failed to retrieve jwt"):
		f.Reason, f.Detail = inventory.Credentials, inventory.WebIdentityFile
	case strings.Contains(err.Error(), "authorization token"):
		f.Reason, f.Detail = inventory.Credentials, inventory.AuthorizationToken
	// The SDK has no type for the error of a session that several profiles share.
	case errors.As(err, &sso), strings.Contains(err.Error(), "SSO token"):
		f.Reason, f.Detail = inventory.Credentials, inventory.SSOSession
	case errors.As(err, &process):
		f.Reason, f.Detail = inventory.Credentials, inventory.CredentialProcess
	case service == instanceMetadata:
		// The last source of the chain: there was none before it.
		f.Operation = "GetCredentials"
		f.Reason, f.Detail = inventory.Credentials, inventory.NoCredentials
		f.Message = cmp.Or(clue(err), f.Message)
	case service == "":
		f.Reason, f.Detail = inventory.Credentials, inventory.CredentialsEndpoint
	case f.Operation == "AssumeRole" && f.Reason == inventory.AccessDenied:
		f.Reason, f.Detail = inventory.AssumeRoleDenied, inventory.OwnRole
	case service != sts.ServiceID && (f.Reason == inventory.AccessDenied || f.Reason == inventory.Other):
		f.Reason, f.Detail = inventory.Credentials, inventory.SSOSession // SSO, SSO OIDC, sign-in
	}
}
