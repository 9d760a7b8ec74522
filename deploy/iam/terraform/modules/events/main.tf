# The queue of finding events: in the account of the hub role, in the Region
# where the exporter runs. Other Regions and accounts: ../events-forward.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 6.0" }
  }
}

variable "organization_id" {
  description = "Events are taken from this organization alone."
  type        = string
}

variable "tags" {
  description = "Tags of everything that is created."
  type        = map(string)
  default     = {}
}

data "aws_cloudwatch_event_bus" "default" {
  name = "default"
}

resource "aws_sqs_queue" "this" {
  name = "access-analyzer-exporter"
  # With keys of SQS: with a key of KMS, its policy would have to let
  # EventBridge in, and each message would cost a call of KMS.
  sqs_managed_sse_enabled = true
  # An event says "count again". After an hour the exporter has done so by
  # itself.
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
        Sid       = "TakeEventsOfTheRule"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.this.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.this.arn } }
      },
      {
        Sid       = "EncryptedInTransit"
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
  description = "Findings of IAM Access Analyzer, for access-analyzer-exporter"
  event_pattern = jsonencode({
    source = ["aws.access-analyzer"]
    "$or" = [
      { "detail-type" = ["Access Analyzer Finding", "Internal Access Finding", "Unused Access Finding for IAM entities"] },
      # Analyzers have no events of their own: a trail has to log management events.
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

# One statement of the policy of the bus; the others, if there are any, stay.
resource "aws_cloudwatch_event_permission" "this" {
  statement_id = "access-analyzer-exporter"
  principal    = "*"
  action       = "events:PutEvents"
  condition {
    key   = "aws:PrincipalOrgID"
    type  = "StringEquals"
    value = var.organization_id
  }
}

output "queue_url" {
  description = "events.queue_url of the exporter."
  value       = aws_sqs_queue.this.url
}

output "queue_arn" {
  description = "queue_arn of ../hub."
  value       = aws_sqs_queue.this.arn
}

output "bus_arn" {
  description = "bus_arn of ../events-forward."
  value       = data.aws_cloudwatch_event_bus.default.arn
}
