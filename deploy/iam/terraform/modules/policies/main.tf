# The policies of the exporter's roles as JSON. This module requires no provider, so
# that a test can compare its outputs with `access-analyzer-exporter iam-policy`.

terraform {
  required_version = ">= 1.5"
}

variable "partition" {
  description = "AWS partition: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
}

variable "member_role_name" {
  description = "Name of the member role in all other accounts, with its path if it has one, as in assume_role.name."
  type        = string
  default     = "access-analyzer-exporter"
}

variable "hub_role_arn" {
  description = "ARN of the hub role."
  type        = string
  default     = ""
}

variable "organization_id" {
  description = "AWS Organizations ID. Only principals in this organization can assume the role, and only roles in its accounts can be assumed."
  type        = string
  default     = ""
}

variable "external_id" {
  description = "As in assume_role.external_id; empty for none."
  type        = string
  default     = ""
  sensitive   = true
}

variable "session_tags" {
  description = "Whether the exporter runs on EKS Pod Identity, whose sessions have transitive tags."
  type        = bool
  default     = true
}

variable "queue_arn" {
  description = "ARN of the SQS queue for events; empty to disable events."
  type        = string
  default     = ""
}

variable "queue_key_arn" {
  description = "ARN of the KMS key that encrypts the queue; empty for none."
  type        = string
  default     = ""
}

locals {
  read = [
    {
      Sid      = "ReadAnalyzers"
      Effect   = "Allow"
      Action   = ["access-analyzer:GetAnalyzer", "access-analyzer:GetFindingsStatistics", "access-analyzer:ListAnalyzers", "access-analyzer:ListArchiveRules", "access-analyzer:ListFindings"]
      Resource = ["*"]
    },
    {
      Sid      = "ListRegions"
      Effect   = "Allow"
      Action   = ["account:ListRegions"]
      Resource = ["*"]
    },
  ]
  member_roles      = ["arn:${var.partition}:iam::*:role/${var.member_role_name}"]
  from_organization = { "aws:PrincipalOrgID" = var.organization_id }
  principal         = { AWS = var.hub_role_arn }
}

output "hub" {
  description = "Policy of the hub role."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.read,
      [{
        Sid      = "ReadOrganization"
        Effect   = "Allow"
        Action   = ["organizations:DescribeOrganization", "organizations:ListAccounts", "organizations:ListDelegatedAdministrators"]
        Resource = ["*"]
      }],
      var.queue_arn == "" ? [] : [{
        Sid      = "ReadEvents"
        Effect   = "Allow"
        Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
        Resource = [var.queue_arn]
      }],
      [{
        Sid      = "AssumeMemberRoles"
        Effect   = "Allow"
        Action   = ["sts:AssumeRole"]
        Resource = local.member_roles
        # The ARN matches every AWS account.
        Condition = { StringEquals = { "aws:ResourceOrgID" = var.organization_id } }
      }],
      var.session_tags ? [{
        Sid      = "TagSessions"
        Effect   = "Allow"
        Action   = ["sts:TagSession"]
        Resource = local.member_roles
      }] : [],
      var.queue_key_arn == "" ? [] : [{
        Sid      = "DecryptEvents"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.queue_key_arn]
      }],
    )
  })
}

output "member" {
  description = "Policy of the member role."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.read })
}

output "trust" {
  description = "Trust policy of the member role."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "AllowExporterToAssumeRole"
        Effect    = "Allow"
        Principal = local.principal
        Action    = ["sts:AssumeRole"]
        Condition = { StringEquals = merge(local.from_organization, var.external_id == "" ? {} : { "sts:ExternalId" = var.external_id }) }
      }],
      # A separate statement: AWS does not document that sts:ExternalId is set for
      # sts:TagSession.
      var.session_tags ? [{
        Sid       = "AllowSessionTags"
        Effect    = "Allow"
        Principal = local.principal
        Action    = ["sts:TagSession"]
        Condition = { StringEquals = local.from_organization }
      }] : [],
    )
  })
  sensitive = true
}
