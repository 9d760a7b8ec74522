# The SQS queue for Access Analyzer events, in the hub account and the Region where
# the exporter runs. ../events-forward forwards events from others.

data "aws_partition" "this" {}

data "aws_cloudwatch_event_bus" "default" {
  name = "default"
}

resource "aws_sqs_queue" "this" {
  name = "access-analyzer-exporter"
  # With a KMS key, the key policy would have to allow EventBridge, and each
  # message would be a billed KMS request.
  sqs_managed_sse_enabled = true
  # An event triggers a refresh. After an hour, a sweep has refreshed the analyzer.
  message_retention_seconds  = 3600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 60
  tags                       = var.tags
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AllowEventBridgeRule"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.this.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.this.arn } }
      },
      {
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.this.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_cloudwatch_event_rule" "this" {
  name        = "access-analyzer-exporter"
  description = "Sends events of IAM Access Analyzer to access-analyzer-exporter"
  event_pattern = jsonencode({
    source = ["aws.access-analyzer"]
    "$or" = [
      { "detail-type" = ["Access Analyzer Finding", "Internal Access Finding", "Unused Access Finding for IAM entities"] },
      # Access Analyzer sends no events about analyzers. CloudTrail does, if a trail logs management events.
      {
        "detail-type" = ["AWS API Call via CloudTrail"]
        detail = {
          eventName = ["CreateAnalyzer", "UpdateAnalyzer", "DeleteAnalyzer", "CreateServiceLinkedAnalyzer", "DeleteServiceLinkedAnalyzer"]
        }
      },
    ]
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "queue" {
  rule      = aws_cloudwatch_event_rule.this.name
  target_id = "queue"
  arn       = aws_sqs_queue.this.arn
}

# Adds one statement to the policy of the event bus and keeps the others. The
# resources of the provider support only one condition, or replace the policy.
resource "aws_cloudformation_stack" "bus_policy" {
  name = "access-analyzer-exporter-bus-policy"
  template_body = jsonencode({
    Resources = {
      BusPolicy = {
        Type = "AWS::Events::EventBusPolicy"
        Properties = {
          StatementId = "access-analyzer-exporter-forward"
          Statement = {
            Effect    = "Allow"
            Principal = "*"
            Action    = "events:PutEvents"
            Resource  = data.aws_cloudwatch_event_bus.default.arn
            Condition = {
              StringEquals = { "aws:PrincipalOrgID" = var.organization_id }
              ArnLike      = { "aws:PrincipalArn" = "arn:${data.aws_partition.this.partition}:iam::*:role/access-analyzer-exporter/*" }
              # Only AWS sends events whose source begins with "aws.".
              "ForAllValues:StringEquals" = { "events:source" = "aws.access-analyzer" }
            }
          }
        }
      }
    }
  })
  tags = var.tags
}
