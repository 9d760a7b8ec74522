# The role that the exporter enters an account with: here, in the account of
# the provider, and with organizational_unit_ids through a StackSet in all
# accounts below them.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 6.0" }
  }
}

variable "hub_role_arn" {
  description = "ARN of the role that the exporter runs as. It has to exist."
  type        = string
}

variable "organization_id" {
  description = "The organization; nobody outside of it is trusted."
  type        = string
  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id is the ID of an organization, such as o-exampleorg1."
  }
}

variable "role_name" {
  description = "Name of this role: assume_role.name."
  type        = string
  default     = "access-analyzer-exporter"
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

variable "organizational_unit_ids" {
  description = "Roots or organizational units whose accounts get the role through a service-managed StackSet, those of the future too. For the management account or a delegated administrator of StackSets."
  type        = list(string)
  default     = []
}

variable "call_as" {
  description = "Who creates the StackSet: SELF in the management account, DELEGATED_ADMIN elsewhere."
  type        = string
  default     = "SELF"
}

variable "create_here" {
  description = "Whether the account of the provider gets the role: StackSets leave the management account out. false in the account of the hub role."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything that is created."
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
  description        = "Lets access-analyzer-exporter read IAM Access Analyzer"
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
  description      = "Lets access-analyzer-exporter read IAM Access Analyzer"
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
    # AWS fills it in, and Terraform would take it away again.
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_instances" "this" {
  count          = length(var.organizational_unit_ids) > 0 ? 1 : 0
  stack_set_name = aws_cloudformation_stack_set.this[0].name
  call_as        = var.call_as
  regions        = [data.aws_region.this.region] # IAM is global: once for each account
  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }
  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }
}

data "aws_region" "this" {}
