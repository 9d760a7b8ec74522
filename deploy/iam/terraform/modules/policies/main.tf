# What the exporter is allowed, as JSON. No provider is needed to evaluate it,
# so that a test can compare it with what `access-analyzer-exporter iam-policy`
# prints.

terraform {
  required_version = ">= 1.5"
}

variable "partition" {
  description = "Partition of AWS: aws, aws-cn, aws-us-gov."
  type        = string
  default     = "aws"
}

variable "member_role_name" {
  description = "Name of the role in every other account, with its path where it has one: assume_role.name."
  type        = string
  default     = "access-analyzer-exporter"
}

variable "hub_role_arn" {
  description = "ARN of the role that the exporter runs as."
  type        = string
  default     = ""
}

variable "organization_id" {
  description = "The organization; nobody outside of it is trusted."
  type        = string
  default     = ""
}

variable "external_id" {
  description = "assume_role.external_id; empty for none."
  type        = string
  default     = ""
  sensitive   = true
}

variable "session_tags" {
  description = "Whether the exporter runs on EKS Pod Identity, which hands the tags of its sessions on."
  type        = bool
  default     = true
}

variable "queue_arn" {
  description = "The queue of finding events; empty for none."
  type        = string
  default     = ""
}

variable "queue_key_arn" {
  description = "The KMS key of a queue that is encrypted with one."
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
  from_organization = { "aws:PrincipalOrgID" = var.organization_id }
  principal         = { AWS = var.hub_role_arn }
}

output "hub" {
  description = "Policy of the role that the exporter runs as."
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
        Sid      = "EnterAccounts"
        Effect   = "Allow"
        Action   = concat(["sts:AssumeRole"], var.session_tags ? ["sts:TagSession"] : [])
        Resource = ["arn:${var.partition}:iam::*:role/${var.member_role_name}"]
      }],
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
  description = "Policy of the role in every other account."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.read })
}

output "trust" {
  description = "Trust policy of the role in every other account."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "LetExporterIn"
        Effect    = "Allow"
        Principal = local.principal
        Action    = ["sts:AssumeRole"]
        Condition = { StringEquals = merge(local.from_organization, var.external_id == "" ? {} : { "sts:ExternalId" = var.external_id }) }
      }],
      # Apart, as AWS does not say that the external ID is known where tags are
      # judged.
      var.session_tags ? [{
        Sid       = "HandOnSessionTags"
        Effect    = "Allow"
        Principal = local.principal
        Action    = ["sts:TagSession"]
        Condition = { StringEquals = local.from_organization }
      }] : [],
    )
  })
  sensitive = true
}
