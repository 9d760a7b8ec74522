# A workspace of Amazon Managed Service for Prometheus with the alert rules and an
# Alertmanager that publishes to two SNS topics.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
}

# Alertmanager and the ruler report rejected notifications and failed rules only here.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/vendedlogs/prometheus/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_prometheus_workspace" "this" {
  alias = var.name
  tags  = var.tags
  logging_configuration {
    log_group_arn = "${aws_cloudwatch_log_group.this.arn}:*"
  }
}

resource "aws_prometheus_workspace_configuration" "this" {
  workspace_id             = aws_prometheus_workspace.this.id
  retention_period_in_days = var.retention_days
}

# The provider waits until the rules are active and reports why they are not.
resource "aws_prometheus_rule_group_namespace" "this" {
  workspace_id = aws_prometheus_workspace.this.id
  name         = "access-analyzer-exporter"
  data         = var.rules == "" ? file("${path.module}/../../../prometheus/rules.yaml") : var.rules
}

resource "aws_prometheus_alert_manager_definition" "this" {
  workspace_id = aws_prometheus_workspace.this.id
  definition = templatefile("${path.module}/../../../ecs/alertmanager.yaml", {
    Region      = data.aws_region.this.region
    PageTopic   = aws_sns_topic.this["page"].arn
    TicketTopic = aws_sns_topic.this["ticket"].arn
  })
}

resource "aws_sns_topic" "this" {
  for_each = toset(["page", "ticket"])
  name     = "${var.name}-${each.key}"
  tags     = var.tags
}

resource "aws_sns_topic_policy" "this" {
  for_each = aws_sns_topic.this
  arn      = each.value.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AllowWorkspace"
        Effect    = "Allow"
        Principal = { Service = "aps.amazonaws.com" }
        Action    = ["sns:GetTopicAttributes", "sns:Publish"]
        Resource  = each.value.arn
        Condition = {
          ArnEquals    = { "aws:SourceArn" = aws_prometheus_workspace.this.arn }
          StringEquals = { "aws:SourceAccount" = local.account }
        }
      },
      # For the alarm of ../ecs.
      {
        Sid       = "AllowAlarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = each.value.arn
        Condition = {
          ArnLike      = { "aws:SourceArn" = "arn:${data.aws_partition.this.partition}:cloudwatch:${data.aws_region.this.region}:${local.account}:alarm:*" }
          StringEquals = { "aws:SourceAccount" = local.account }
        }
      },
    ]
  })
}
