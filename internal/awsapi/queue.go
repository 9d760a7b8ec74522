package awsapi

import (
	"context"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/events"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// QueueBatch is how many messages one request to a queue may be about.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
const QueueBatch = 10

// Queue is an SQS queue. It is safe for concurrent use.
type Queue struct {
	client  *Client
	account *inventory.Account
	url     string
	region  string
	sqs     queueService
}

// anyRegion finds the Region in the host names of SQS.
var anyRegion = regexp.MustCompile(`(?:^|\.)(?:sqs-fips\.|sqs\.)?([a-z]{2,4}(?:-[a-z]+)+-\d)(?:\.|$)`)

// QueueRegion is the Region that a queue's URL names; empty when it names none.
func QueueRegion(queueURL string) string {
	u, err := url.Parse(queueURL)
	if err != nil {
		return ""
	}
	if m := anyRegion.FindStringSubmatch(u.Hostname()); m != nil {
		return m[1]
	}
	return ""
}

// Queue returns the queue of a URL, read with the hub's own credentials.
//
// The URL says where the queue is: its Region, whichever the exporter is in, and
// its endpoint.
func (c *Client) Queue(queueURL string) *Queue {
	u, err := url.Parse(queueURL)
	if err != nil {
		u = &url.URL{}
	}
	account, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	q := &Queue{
		client: c, account: &inventory.Account{ID: account}, url: queueURL, region: QueueRegion(queueURL),
	}
	if q.region == "" {
		q.region = c.cfg.Region
	}
	q.sqs = newQueueService(c.cfg, func(o *sqs.Options) {
		o.Region = q.region
		o.HTTPClient = c.http.patient()
		requestAt(o, u)
	})
	return q
}

// requestAt directs requests to the host of a queue's URL, such as that of a
// dual-stack endpoint, a VPC endpoint or an emulator. The SDK alone would use the
// endpoint of the Region for each of them. It still does for that endpoint, so
// that AWS_ENDPOINT_URL applies.
func requestAt(o *sqs.Options, queue *url.URL) {
	dualStack := o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled
	fips := o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled
	if queue.Host == regionalHost(o.Region, dualStack, fips) ||
		o.BaseEndpoint != nil && queue.Host == regionalHost(o.Region, false, false) {
		return
	}
	o.BaseEndpoint = aws.String(queue.Scheme + "://" + queue.Host)
	// The SDK rejects these together with an endpoint.
	o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
	o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
}

// regionalHost is the host that the SDK uses for a Region; empty if it has none.
func regionalHost(region string, dualStack, fips bool) string {
	endpoint, err := sqs.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), sqs.EndpointParameters{
		Region: aws.String(region), UseDualStack: aws.Bool(dualStack), UseFIPS: aws.Bool(fips),
	})
	if err != nil {
		return ""
	}
	return endpoint.URI.Host
}

// patient is the same connection pool with a longer timeout, for long polls.
func (h *httpClient) patient() *httpClient {
	return &httpClient{transport: h.transport, patience: longestPoll, closed: h.closed}
}

// longestPoll is the longest wait time of SQS.
const longestPoll = 20 * time.Second

// Receive waits, for up to 20 s, until there are messages and returns up to
// ten. They are hidden from others for as long as it says.
func (q *Queue) Receive(ctx context.Context, wait, hide time.Duration) ([]events.Message, *inventory.Failure) {
	var messages []events.Message
	f := q.call(ctx, wait, "ReceiveMessage", func(ctx context.Context, creds func(*sqs.Options)) error {
		out, err := q.sqs.receiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(q.url), MaxNumberOfMessages: QueueBatch,
			WaitTimeSeconds: int32(wait.Seconds()), VisibilityTimeout: int32(hide.Seconds()),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
		}, creds)
		if err != nil {
			return err
		}
		for _, m := range out.Messages {
			receives, _ := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
			messages = append(messages, events.Message{Body: aws.ToString(m.Body), Receipt: aws.ToString(m.ReceiptHandle), Receives: receives})
		}
		return nil
	})
	return messages, f
}

// Delete deletes up to ten messages that were received.
func (q *Queue) Delete(ctx context.Context, receipts []string) *inventory.Failure {
	return q.call(ctx, 0, "DeleteMessageBatch", func(ctx context.Context, creds func(*sqs.Options)) error {
		in := &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(q.url)}
		for i, receipt := range receipts {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt)})
		}
		out, err := q.sqs.deleteMessageBatch(ctx, in, creds)
		if err == nil && len(out.Failed) > 0 {
			err = entryError(out.Failed[0])
		}
		return err
	})
}

// Hide keeps up to ten messages that were received hidden from now on.
func (q *Queue) Hide(ctx context.Context, receipts []string, d time.Duration) *inventory.Failure {
	return q.call(ctx, 0, "ChangeMessageVisibilityBatch", func(ctx context.Context, creds func(*sqs.Options)) error {
		in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(q.url)}
		for i, receipt := range receipts {
			in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt), VisibilityTimeout: int32(d.Seconds()),
			})
		}
		out, err := q.sqs.changeMessageVisibilityBatch(ctx, in, creds)
		if err == nil && len(out.Failed) > 0 {
			err = entryError(out.Failed[0])
		}
		return err
	})
}

// call is Client.call with a longer timeout, for long polls.
func (q *Queue) call(ctx context.Context, wait time.Duration, operation string, f func(context.Context, func(*sqs.Options)) error) *inventory.Failure {
	ctx, cancel := context.WithTimeout(ctx, callTimeout+wait)
	defer cancel()
	creds, failure := q.client.credentials.retrieve(ctx, q.account, q.region)
	if failure != nil {
		return failure
	}
	if err := f(ctx, func(o *sqs.Options) { o.Credentials = creds }); err != nil {
		return q.client.failure(q.account.ID, q.region, operation, err)
	}
	return nil
}

// entryError is the error that SQS returns for one message of a batch.
func entryError(e types.BatchResultErrorEntry) error {
	return &smithy.GenericAPIError{Code: aws.ToString(e.Code), Message: aws.ToString(e.Message)}
}
