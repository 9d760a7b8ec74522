package awsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// largestFile is the limit of a file that the SDK reads, in bytes. A bundle of all
// public CAs has 200 kB.
const largestFile = 16 << 20

// checkFiles returns the error of a file that the SDK would read for ever, such as
// a device or a pipe, or as a whole into memory. What else is wrong with a file the
// SDK reports.
func checkFiles() error {
	home, _ := os.UserHomeDir()
	for _, file := range []struct{ name, path string }{
		{"AWS_CONFIG_FILE", cmp.Or(os.Getenv("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config"))},
		{"AWS_SHARED_CREDENTIALS_FILE", cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials"))},
		{"AWS_CA_BUNDLE", os.Getenv("AWS_CA_BUNDLE")},
		{"AWS_WEB_IDENTITY_TOKEN_FILE", os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")},
	} {
		if err := checkFile(file.name, file.path); err != nil {
			return err
		}
	}
	return nil
}

func checkFile(name, path string) error {
	if info, err := os.Stat(path); err == nil && path != os.DevNull {
		switch {
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s: %s is not a regular file", name, path)
		case info.Size() > largestFile:
			return fmt.Errorf("%s: %s has %d bytes; at most %d are read", name, path, info.Size(), largestFile)
		}
	}
	return nil
}

// checkProfile returns the error of a profile that the SDK does not report: files
// as of checkFiles, and a services section without effect, so that requests would
// go to AWS.
func checkProfile(ctx context.Context) error {
	profile, ignored := sharedProfile(ctx)
	for p := profile; p != nil; p = p.Source {
		if err := cmp.Or(checkFile("ca_bundle of the profile", p.CustomCABundle), checkFile("web_identity_token_file of the profile", p.WebIdentityTokenFile)); err != nil {
			return err
		}
	}
	if profile == nil || ignored {
		return nil
	}
	return checkServices(profile)
}

// sharedProfile returns the profile in use, and whether its endpoints are ignored;
// nil if there is none or it is invalid, which the SDK reports.
func sharedProfile(ctx context.Context) (profile *config.SharedConfig, ignored bool) {
	env, envErr := config.NewEnvConfig()
	shared, err := config.LoadSharedConfigProfile(ctx, cmp.Or(env.SharedConfigProfile, config.DefaultSharedConfigProfile), func(o *config.LoadSharedConfigOptions) {
		if env.SharedConfigFile != "" {
			o.ConfigFiles = []string{env.SharedConfigFile}
		}
		if env.SharedCredentialsFile != "" {
			o.CredentialsFiles = []string{env.SharedCredentialsFile}
		}
	})
	if envErr != nil || err != nil {
		return nil, false
	}
	ignored, _, err = config.GetIgnoreConfiguredEndpoints(ctx, []any{env, shared})
	return &shared, err == nil && ignored
}

func checkServices(profile *config.SharedConfig) error {
	section := profile.ServicesSectionName
	if section != "" && profile.Services.ServiceValues == nil {
		return fmt.Errorf("the profile names services = %s, but the shared configuration has no section [services %[1]s]: add it, or remove that line", section)
	}
	for _, service := range slices.Sorted(maps.Keys(profile.Services.ServiceValues)) {
		if value := profile.Services.ServiceValues[service]["endpoint_url"]; value != "" && !isURL(value) {
			return fmt.Errorf("endpoint_url of %s in [services %s] is %q: set it to a URL with a scheme, such as https://%s",
				service, section, value, withoutScheme.ReplaceAllString(value, ""))
		}
	}
	return nil
}

// regionForm is that of every name that may be part of the host of an endpoint.
var regionForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// checkConfig returns what the SDK would only report with the first request,
// without the name of the variable.
func checkConfig(cfg *aws.Config) error {
	if cfg.Region != "" && !regionForm.MatchString(cfg.Region) {
		return fmt.Errorf("%q is not a Region: set AWS_REGION, AWS_DEFAULT_REGION or region of the profile to one such as eu-west-1", cfg.Region)
	}
	if err := checkKeyPair(); err != nil {
		return err
	}
	if err := checkURLs(os.Environ()); err != nil {
		return err
	}
	if err := checkProxies(); err != nil {
		return err
	}
	const relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	if path := os.Getenv(relative); path != "" && path[0] != '/' {
		return fmt.Errorf("%s is %q: set it to a path that starts with a slash", relative, path)
	}
	if cfg.BaseEndpoint != nil && !isURL(*cfg.BaseEndpoint) {
		return fmt.Errorf("endpoint_url of the profile is %q: set it to a URL with a scheme, such as https://localhost:4566", *cfg.BaseEndpoint)
	}
	return nil
}

// checkURLs returns the error of a variable that has to be a URL.
func checkURLs(environ []string) error {
	ignored := strings.EqualFold(os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true")
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(variable, "=")
		scheme := "https://"
		switch {
		case value == "", isURL(value):
			continue
		case name == "AWS_EC2_METADATA_SERVICE_ENDPOINT":
			scheme = "http://"
		case !strings.HasPrefix(name, "AWS_ENDPOINT_URL"), ignored:
			continue
		}
		return fmt.Errorf("%s is %q: set it to a URL with a scheme, such as %s%s", name, value, scheme, withoutScheme.ReplaceAllString(value, ""))
	}
	return nil
}

// checkProxies returns the error of a proxy that net/http ignores, or takes for
// another kind of proxy. Its value may hold a password.
func checkProxies() error {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		if u, err := url.Parse(value); err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return fmt.Errorf("%s is not the address of a proxy: set it to one such as http://proxy.example.com:3128, or socks5://", name)
		}
	}
	return nil
}

// checkKeyPair returns the error of half a key pair in the environment. The SDK
// ignores it, and would use other credentials or none; the AWS CLI reports it too.
func checkKeyPair() error {
	id, secret := firstSet("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"), firstSet("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
	set, missing := id, "AWS_SECRET_ACCESS_KEY"
	if id == "" {
		set, missing = secret, "AWS_ACCESS_KEY_ID"
	}
	if set == "" || (id != "" && secret != "") {
		return nil
	}
	return fmt.Errorf("%s is set, but %s is %s: set both, or neither to use other credentials", set, missing, unsetOrEmpty(missing))
}

// firstSet returns the first of the variables that has a value. Like the SDK, it
// takes an empty variable for one that is not set.
func firstSet(names ...string) string {
	for _, name := range names {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}

func unsetOrEmpty(name string) string {
	if _, set := os.LookupEnv(name); set {
		return "empty"
	}
	return "not set"
}

// clue returns what in the environment suggests why no credentials were found, as
// err says; empty if nothing does.
func clue(err error, credentials aws.CredentialsProvider) string {
	const token, role, webIdentity, profile = "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE"
	outer, ok := errors.AsType[*smithy.OperationError](err)
	switch {
	case hasSource(credentials, aws.CredentialSourceProfileNamedProvider):
		return "credential_source of the profile is Ec2InstanceMetadata, and IMDS returned none"
	case ok && outer.ServiceID == sts.ServiceID:
		return "role_arn of the profile requires source_profile or credential_source"
	case os.Getenv(profile) != "":
		return fmt.Sprintf("the profile %q (%s) has no credentials", os.Getenv(profile), profile)
	case os.Getenv(token) != "":
		return token + " is set, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not"
	case os.Getenv(role) != "":
		return fmt.Sprintf("%s is set, but %s is %s", role, webIdentity, unsetOrEmpty(webIdentity))
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		if file := os.Getenv(name); file != "" {
			if _, err := os.Stat(file); err != nil {
				return fmt.Sprintf("%s: %v", name, err)
			}
		}
	}
	return ""
}

var withoutScheme = regexp.MustCompile(`^([a-z]+:/)?/*`)

func isURL(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// loadErrors has what to do about errors of the SDK that do not say it and have no
// type, by a part of their text.
var loadErrors = []struct{ text, remedy string }{
	{"AWS_MAX_ATTEMPTS", "set it to a number, such as 3"},
	{"failed to find SSO session section", "add the section [sso-session NAME] to the shared configuration, with: aws configure sso-session"},
	{"configured to use SSO but is missing", "complete the profile, with: aws configure sso"},
	{"role ARN is not set", "AWS_WEB_IDENTITY_TOKEN_FILE requires AWS_ROLE_ARN, and web_identity_token_file of a profile requires role_arn"},
	{"CA bundle", "AWS_CA_BUNDLE, or ca_bundle of the profile, must be a file with certificates in PEM"},
	{"local HTTP cred provider URL", "check AWS_CONTAINER_CREDENTIALS_FULL_URI"},
	{"only loopback/ecs/eks hosts are allowed", "check AWS_CONTAINER_CREDENTIALS_FULL_URI; other hosts require https"},
}

// explained adds what to do to an error of the environment or of the shared
// configuration.
func explained(err error) error {
	if role, ok := errors.AsType[config.SharedConfigAssumeRoleError](err); ok {
		if _, missing := errors.AsType[config.SharedConfigProfileNotExistError](err); missing {
			return fmt.Errorf("the profile %q, which is the source_profile of role %s, does not exist%s", role.Profile, role.RoleARN, inSharedConfiguration)
		}
		return fmt.Errorf("the profile %q, which is the source_profile of role %s, has no credentials: "+
			"the chain of source_profile must end in a profile that has some", role.Profile, role.RoleARN)
	}
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return fmt.Errorf("the profile %q (AWS_PROFILE) does not exist%s", missing.Profile, inSharedConfiguration)
	}
	if _, ok := errors.AsType[config.AssumeRoleTokenProviderNotSetError](err); ok {
		return fmt.Errorf("the profile requires a multi-factor code (mfa_serial), for which the exporter cannot ask: use a profile without it, or aws configure export-credentials")
	}
	if file, ok := errors.AsType[*fs.PathError](err); ok && file.Path == os.Getenv("AWS_CA_BUNDLE") {
		return fmt.Errorf("AWS_CA_BUNDLE: %w", err)
	}
	if partial := partialCredentials.FindStringSubmatch(err.Error()); partial != nil {
		return fmt.Errorf("the profile %q has only one of aws_access_key_id and aws_secret_access_key: set both", partial[1])
	}
	for _, e := range loadErrors {
		if strings.Contains(err.Error(), e.text) {
			return fmt.Errorf("%s: %s", strings.Join(strings.Fields(err.Error()), " "), e.remedy)
		}
	}
	return err
}

// partialCredentials is the error of the SDK for half a key pair in a profile.
var partialCredentials = regexp.MustCompile(`partial credentials found for profile (?:profile )?([^\s,]+)`)

const inSharedConfiguration = " in the shared configuration (AWS_CONFIG_FILE, else ~/.aws/config); this lists the profiles: aws configure list-profiles"

// spaceError is the error of credentials that no request can be signed with. A
// line end is usual in mounted secrets.
type spaceError struct{ name string }

func (e *spaceError) Error() string {
	return e.name + " has a space, a line end or a control character"
}

// checkKeys returns the error of credentials with characters that cannot be in a
// header.
func checkKeys(c aws.Credentials) error {
	names := []string{"the access key ID", "the secret access key", "the session token"}
	if c.Source == config.CredentialsSourceName {
		names = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
	}
	for i, value := range []string{c.AccessKeyID, c.SecretAccessKey, c.SessionToken} {
		if strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return &spaceError{names[i]}
		}
	}
	return nil
}
