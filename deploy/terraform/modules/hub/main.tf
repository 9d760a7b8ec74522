# The hub role, which the exporter runs as, in the delegated administrator account
# for IAM Access Analyzer.

data "aws_partition" "this" {}

data "aws_caller_identity" "this" {}

module "policies" {
  source            = "../policies"
  partition         = data.aws_partition.this.partition
  member_role_name  = var.member_role_name
  organization_id   = var.organization_id
  session_tags      = var.runs_on == "pod-identity" && var.session_tags
  read_ou_names     = var.read_ou_names
  read_account_tags = var.read_account_tags
  validate_policies = var.validate_policies
  check_policies    = var.check_policies
  queue_arn         = var.queue_arn
  queue_key_arn     = var.queue_key_arn
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
