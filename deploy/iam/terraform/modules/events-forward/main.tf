# Brings finding events of this account to the queue: from each Region of the
# hub's account but that of the queue, and from the accounts with analyzers of
# their own.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 6.0" }
  }
}

variable "bus_arn" {
  description = "The event bus to bring them to: bus_arn of ../events."
  type        = string
}

variable "regions" {
  description = "Where analyzers are. The place of the queue itself is left out."
  type        = set(string)
}

variable "tags" {
  description = "Tags of everything that is created."
  type        = map(string)
  default     = {}
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  elsewhere = toset([for r in var.regions : r if var.bus_arn != "arn:${local.partition}:events:${r}:${local.account}:event-bus/default"])
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each    = local.elsewhere
  region      = each.key
  name        = "access-analyzer-exporter-forward"
  description = "Brings findings of IAM Access Analyzer to access-analyzer-exporter"
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
    account = [local.account] # not those that were brought here from elsewhere
  })
  tags = var.tags
}

# One for all Regions: IAM is global, and an analyzer of unused access is billed
# by the role.
resource "aws_iam_role" "this" {
  name        = "access-analyzer-exporter-forward"
  path        = "/access-analyzer-exporter/" # by it the bus knows who may put events on it
  description = "Lets EventBridge bring findings of IAM Access Analyzer to access-analyzer-exporter"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "LetTheRulesIn"
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
    Statement = [{ Sid = "BringEvents", Effect = "Allow", Action = "events:PutEvents", Resource = var.bus_arn }]
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
