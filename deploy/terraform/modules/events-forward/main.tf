# Forwards the Access Analyzer events of this account to the queue: for the hub
# account, and for member accounts with analyzers.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  account       = data.aws_caller_identity.this.account_id
  partition     = data.aws_partition.this.partition
  other_regions = toset([for r in var.regions : r if var.bus_arn != "arn:${local.partition}:events:${r}:${local.account}:event-bus/default"])
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each    = local.other_regions
  region      = each.key
  name        = "access-analyzer-exporter-forward"
  description = "Forwards events of IAM Access Analyzer to access-analyzer-exporter"
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
    account = [local.account] # do not forward events that were forwarded to this account
  })
  tags = var.tags
}

# One role for all Regions: IAM is global, and unused access analyzers are billed
# per role.
resource "aws_iam_role" "this" {
  name        = "access-analyzer-exporter-forward"
  path        = "/access-analyzer-exporter/" # the policy of the event bus allows roles with this path
  description = "Allows EventBridge to forward events of IAM Access Analyzer to access-analyzer-exporter"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowEventBridge"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:events:*:${local.account}:rule/access-analyzer-exporter-forward" }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  name = "forward"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "ForwardEvents", Effect = "Allow", Action = "events:PutEvents", Resource = var.bus_arn }]
  })
}

resource "aws_cloudwatch_event_target" "hub" {
  for_each  = aws_cloudwatch_event_rule.this
  region    = each.key
  rule      = each.value.name
  target_id = "hub"
  arn       = var.bus_arn
  role_arn  = aws_iam_role.this.arn
}
