package awsapi

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// lateSTS assumes the role that the exporter starts with: that of a web identity
// or of a profile. The SDK creates its own clients for these before it reads
// AWS_ENDPOINT_URL and before a Region is assumed, so that they would ignore both.
type lateSTS struct {
	// client is set before the first call.
	client *sts.Client
}

// webIdentity sets the client of the SDK's provider.
func (l *lateSTS) webIdentity(o *stscreds.WebIdentityRoleOptions) { o.Client = l }

// AssumeRoleWithWebIdentity implements stscreds.AssumeRoleWithWebIdentityAPIClient.
func (l *lateSTS) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, opts ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	return l.client.AssumeRoleWithWebIdentity(ctx, in, opts...)
}

// assumeRole wraps the client of the SDK's provider, which has the credentials of
// the source profile. Its requests are metered like all others.
func (l *lateSTS) assumeRole(o *stscreds.AssumeRoleOptions) {
	if o.Client != nil {
		o.Client = profileSTS{o.Client, l}
	}
}

type profileSTS struct {
	stscreds.AssumeRoleAPIClient
	late *lateSTS
}

// AssumeRole implements stscreds.AssumeRoleAPIClient.
func (p profileSTS) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, opts ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	own := p.late.client.Options()
	return p.AssumeRoleAPIClient.AssumeRole(ctx, in, append(opts, func(o *sts.Options) {
		o.BaseEndpoint, o.HTTPClient, o.APIOptions = own.BaseEndpoint, own.HTTPClient, own.APIOptions
		if o.Region == "" {
			o.Region = own.Region
		}
	})...)
}

// usesLogin reports whether the credentials come from a login by SSO or in the
// console, whose clients of the SDK ignore AWS_ENDPOINT_URL and cannot be replaced.
func usesLogin(credentials aws.CredentialsProvider) bool {
	return hasSource(credentials, aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy, aws.CredentialSourceLogin)
}

// hasSource reports whether the credentials come from one of the sources, directly
// or through a role.
func hasSource(credentials aws.CredentialsProvider, any ...aws.CredentialSource) bool {
	chain, ok := credentials.(aws.CredentialProviderSource)
	return ok && slices.ContainsFunc(chain.ProviderSources(), func(s aws.CredentialSource) bool { return slices.Contains(any, s) })
}

var (
	_ stscreds.AssumeRoleAPIClient                = profileSTS{}
	_ stscreds.AssumeRoleWithWebIdentityAPIClient = (*lateSTS)(nil)
)
