# The member role, which the exporter assumes to read an account: in the account
# of the provider and, through a StackSet, in all accounts of
# organizational_unit_ids.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 6.0" }
  }
}

variable "hub_role_arn" {
  description = "ARN of the hub role, which must exist."
  type        = string
}

variable "organization_id" {
  description = "AWS Organizations ID. Only principals in this organization can assume the role."
  type        = string
  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id is the ID of an organization, such as o-exampleorg1."
  }
}

variable "role_name" {
  description = "Name of this role, as in assume_role.name."
  type        = string
  default     = "access-analyzer-exporter"
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

variable "organizational_unit_ids" {
  description = "IDs of roots or organizational units. A service-managed StackSet creates the role in their accounts, including future ones. Requires credentials of the management account or of a delegated administrator for StackSets."
  type        = list(string)
  default     = []
}

variable "call_as" {
  description = "SELF if the provider uses the management account, DELEGATED_ADMIN for a delegated administrator."
  type        = string
  default     = "SELF"
}

variable "create_here" {
  description = "Whether to create the role in the provider's account, because StackSets skip the management account. Set to false in the hub account."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}

module "policies" {
  source          = "../policies"
  hub_role_arn    = var.hub_role_arn
  organization_id = var.organization_id
  external_id     = var.external_id
  session_tags    = var.session_tags
}

resource "aws_iam_role" "this" {
  count              = var.create_here ? 1 : 0
  name               = var.role_name
  description        = "Allows access-analyzer-exporter to read IAM Access Analyzer"
  assume_role_policy = module.policies.trust
  tags               = var.tags
}

resource "aws_iam_role_policy" "this" {
  count  = var.create_here ? 1 : 0
  name   = "access-analyzer-exporter"
  role   = aws_iam_role.this[0].id
  policy = module.policies.member
}

resource "aws_cloudformation_stack_set" "this" {
  count            = length(var.organizational_unit_ids) > 0 ? 1 : 0
  name             = "access-analyzer-exporter"
  description      = "Allows access-analyzer-exporter to read IAM Access Analyzer"
  permission_model = "SERVICE_MANAGED"
  call_as          = var.call_as
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  template_body    = file("${path.module}/../../../cloudformation/member.yaml")
  tags             = var.tags
  parameters = {
    HubRoleArn     = var.hub_role_arn
    OrganizationId = var.organization_id
    RoleName       = var.role_name
    ExternalId     = var.external_id
    SessionTags    = tostring(var.session_tags)
  }
  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }
  managed_execution {
    active = true
  }
  lifecycle {
    # AWS sets it, and Terraform would remove it.
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_instances" "this" {
  count          = length(var.organizational_unit_ids) > 0 ? 1 : 0
  stack_set_name = aws_cloudformation_stack_set.this[0].name
  call_as        = var.call_as
  regions        = [data.aws_region.this.region] # IAM is global: one Region is enough
  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }
  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }
}

data "aws_region" "this" {}
