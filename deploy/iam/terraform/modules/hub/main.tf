# The hub role, which the exporter runs as, in the delegated administrator account
# for IAM Access Analyzer.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 6.0" }
  }
}

variable "organization_id" {
  description = "AWS Organizations ID. Only roles in accounts of this organization can be assumed."
  type        = string
  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id is the ID of an organization, such as o-exampleorg1."
  }
}

variable "role_name" {
  description = "Name of this role. The trust policies of the member roles contain its ARN."
  type        = string
  default     = "access-analyzer-exporter-hub"
}

variable "member_role_name" {
  description = "Name of the member role in all other accounts, as in assume_role.name."
  type        = string
  default     = "access-analyzer-exporter"
}

variable "runs_on" {
  description = "Source of the exporter's credentials: pod-identity, irsa, ecs or ec2."
  type        = string
  default     = "pod-identity"
  validation {
    condition     = contains(["pod-identity", "irsa", "ecs", "ec2"], var.runs_on)
    error_message = "runs_on is pod-identity, irsa, ecs or ec2."
  }
}

variable "cluster_name" {
  description = "For pod-identity, the name of the EKS cluster in this account that can use the role; * for any cluster."
  type        = string
  default     = "*"
}

variable "oidc_provider" {
  description = "For irsa, the OIDC issuer of the cluster without https://."
  type        = string
  default     = ""
}

variable "service_account" {
  description = "For pod-identity and irsa, the Kubernetes service account that can use the role, as NAMESPACE:NAME."
  type        = string
  default     = "monitoring:access-analyzer-exporter"
}

variable "session_tags" {
  description = "For pod-identity, whether the association passes session tags. service_account only has an effect with them."
  type        = bool
  default     = true
}

variable "queue_arn" {
  description = "ARN of the SQS queue for events, output of ../events; empty to disable events."
  type        = string
  default     = ""
}

variable "queue_key_arn" {
  description = "ARN of the KMS key that encrypts the queue; empty for the queue of ../events."
  type        = string
  default     = ""
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}

data "aws_partition" "this" {}
data "aws_caller_identity" "this" {}

module "policies" {
  source           = "../policies"
  partition        = data.aws_partition.this.partition
  member_role_name = var.member_role_name
  organization_id  = var.organization_id
  session_tags     = var.runs_on == "pod-identity" && var.session_tags
  queue_arn        = var.queue_arn
  queue_key_arn    = var.queue_key_arn
}

locals {
  partition = data.aws_partition.this.partition
  account   = data.aws_caller_identity.this.account_id
  trust = {
    pod-identity = {
      Sid       = "AllowPodIdentity"
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = merge({ "aws:SourceAccount" = local.account }, var.session_tags ? {
          "aws:RequestTag/kubernetes-namespace"       = split(":", var.service_account)[0]
          "aws:RequestTag/kubernetes-service-account" = split(":", var.service_account)[1]
        } : {})
        ArnLike = { "aws:SourceArn" = "arn:${local.partition}:eks:*:${local.account}:cluster/${var.cluster_name}" }
      }
    }
    irsa = {
      Sid       = "AllowServiceAccount"
      Effect    = "Allow"
      Principal = { Federated = "arn:${local.partition}:iam::${local.account}:oidc-provider/${var.oidc_provider}" }
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Condition = {
        StringEquals = {
          "${var.oidc_provider}:aud" = "sts.amazonaws.com"
          "${var.oidc_provider}:sub" = "system:serviceaccount:${var.service_account}"
        }
      }
    }
    ecs = {
      Sid       = "AllowECSTasks"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
      # ECS does not support the ARN of a cluster.
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:*:${local.account}:*" }
      }
    }
    ec2 = {
      Sid       = "AllowEC2Instances"
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.role_name
  description        = "Role of access-analyzer-exporter"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [local.trust[var.runs_on]] })
  tags               = var.tags

  lifecycle {
    precondition {
      condition     = var.runs_on != "irsa" || var.oidc_provider != ""
      error_message = "runs_on = \"irsa\" requires oidc_provider."
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "access-analyzer-exporter"
  role   = aws_iam_role.this.id
  policy = module.policies.hub
}

resource "aws_iam_instance_profile" "this" {
  count = var.runs_on == "ec2" ? 1 : 0
  name  = var.role_name
  role  = aws_iam_role.this.name
  tags  = var.tags
}

output "role_arn" {
  description = "Value of hub_role_arn of ../member and, for irsa, of aws.roleArn of the Helm chart."
  value       = aws_iam_role.this.arn
}
