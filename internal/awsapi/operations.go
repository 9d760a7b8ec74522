package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// operation is a method of one of the SDK's service clients.
//
// The types of this file hold the operations that are called, instead of the
// SDK's clients. html/template calls methods by name, so the linker keeps all
// methods of each type that can be reached from a value in an interface, as
// fields of a Client can. With the clients as fields, the binary has all of their
// operations and is 1.9 MB larger.
type operation[In, Out, Options any] func(context.Context, *In, ...func(*Options)) (*Out, error)

type accountManagement struct {
	listRegions        operation[account.ListRegionsInput, account.ListRegionsOutput, account.Options]
	getRegionOptStatus operation[account.GetRegionOptStatusInput, account.GetRegionOptStatusOutput, account.Options]
}

func newAccountManagement(cfg aws.Config) accountManagement {
	c := account.NewFromConfig(cfg)
	return accountManagement{listRegions: c.ListRegions, getRegionOptStatus: c.GetRegionOptStatus}
}

type organizationsOperation[In, Out any] = operation[In, Out, organizations.Options]

type organizationsService struct {
	describeOrganization        organizationsOperation[organizations.DescribeOrganizationInput, organizations.DescribeOrganizationOutput]
	describeOrganizationalUnit  organizationsOperation[organizations.DescribeOrganizationalUnitInput, organizations.DescribeOrganizationalUnitOutput]
	describePolicy              organizationsOperation[organizations.DescribePolicyInput, organizations.DescribePolicyOutput]
	listAccounts                organizationsOperation[organizations.ListAccountsInput, organizations.ListAccountsOutput]
	listDelegatedAdministrators organizationsOperation[organizations.ListDelegatedAdministratorsInput, organizations.ListDelegatedAdministratorsOutput]
	listPolicies                organizationsOperation[organizations.ListPoliciesInput, organizations.ListPoliciesOutput]
	listTagsForResource         organizationsOperation[organizations.ListTagsForResourceInput, organizations.ListTagsForResourceOutput]
}

func newOrganizations(cfg aws.Config) organizationsService {
	c := organizations.NewFromConfig(cfg)
	return organizationsService{
		describeOrganization:        c.DescribeOrganization,
		describeOrganizationalUnit:  c.DescribeOrganizationalUnit,
		describePolicy:              c.DescribePolicy,
		listAccounts:                c.ListAccounts,
		listDelegatedAdministrators: c.ListDelegatedAdministrators,
		listPolicies:                c.ListPolicies,
		listTagsForResource:         c.ListTagsForResource,
	}
}

type analyzerOperation[In, Out any] = operation[In, Out, accessanalyzer.Options]

type analyzerService struct {
	checkAccessNotGranted analyzerOperation[accessanalyzer.CheckAccessNotGrantedInput, accessanalyzer.CheckAccessNotGrantedOutput]
	checkNoNewAccess      analyzerOperation[accessanalyzer.CheckNoNewAccessInput, accessanalyzer.CheckNoNewAccessOutput]
	getAnalyzer           analyzerOperation[accessanalyzer.GetAnalyzerInput, accessanalyzer.GetAnalyzerOutput]
	getFindingsStatistics analyzerOperation[accessanalyzer.GetFindingsStatisticsInput, accessanalyzer.GetFindingsStatisticsOutput]
	listAnalyzers         analyzerOperation[accessanalyzer.ListAnalyzersInput, accessanalyzer.ListAnalyzersOutput]
	listArchiveRules      analyzerOperation[accessanalyzer.ListArchiveRulesInput, accessanalyzer.ListArchiveRulesOutput]
	listFindings          analyzerOperation[accessanalyzer.ListFindingsInput, accessanalyzer.ListFindingsOutput]
	listFindingsV2        analyzerOperation[accessanalyzer.ListFindingsV2Input, accessanalyzer.ListFindingsV2Output]
	validatePolicy        analyzerOperation[accessanalyzer.ValidatePolicyInput, accessanalyzer.ValidatePolicyOutput]
}

func newAnalyzerService(c *accessanalyzer.Client) *analyzerService {
	lists := c
	if r, ok := c.Options().Retryer.(aws.RetryerV2); ok {
		o := c.Options()
		o.Retryer = throttledLater{r}
		lists = accessanalyzer.New(o)
	}
	return &analyzerService{
		checkAccessNotGranted: c.CheckAccessNotGranted,
		checkNoNewAccess:      c.CheckNoNewAccess,
		getAnalyzer:           c.GetAnalyzer,
		getFindingsStatistics: c.GetFindingsStatistics,
		listAnalyzers:         lists.ListAnalyzers,
		listArchiveRules:      c.ListArchiveRules,
		listFindings:          c.ListFindings,
		listFindingsV2:        c.ListFindingsV2,
		validatePolicy:        c.ValidatePolicy,
	}
}

// authorizationDetails is GetAccountAuthorizationDetails of IAM.
type authorizationDetails = operation[iam.GetAccountAuthorizationDetailsInput, iam.GetAccountAuthorizationDetailsOutput, iam.Options]

type queueOperation[In, Out any] = operation[In, Out, sqs.Options]

type queueService struct {
	changeMessageVisibilityBatch queueOperation[sqs.ChangeMessageVisibilityBatchInput, sqs.ChangeMessageVisibilityBatchOutput]
	deleteMessageBatch           queueOperation[sqs.DeleteMessageBatchInput, sqs.DeleteMessageBatchOutput]
	receiveMessage               queueOperation[sqs.ReceiveMessageInput, sqs.ReceiveMessageOutput]
}

func newQueueService(cfg aws.Config, options func(*sqs.Options)) queueService {
	c := sqs.NewFromConfig(cfg, options)
	return queueService{
		changeMessageVisibilityBatch: c.ChangeMessageVisibilityBatch,
		deleteMessageBatch:           c.DeleteMessageBatch,
		receiveMessage:               c.ReceiveMessage,
	}
}
