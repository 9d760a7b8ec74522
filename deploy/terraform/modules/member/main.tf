# The member role, which the exporter assumes to read an account: in the account
# of the provider and, through a StackSet, in all accounts of
# organizational_unit_ids. Before the first StackSet of an organization, run
# `aws cloudformation activate-organizations-access` in the management account.

module "policies" {
  source          = "../policies"
  hub_role_arn    = var.hub_role_arn
  organization_id = var.organization_id
  external_id     = var.external_id
  session_tags    = var.session_tags

  validate_policies = var.validate_policies
  check_policies    = var.check_policies
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
  template_body    = file("${path.module}/../../../iam/cloudformation/member.yaml")
  tags             = var.tags
  parameters = {
    HubRoleArn     = var.hub_role_arn
    OrganizationId = var.organization_id
    RoleName       = var.role_name
    ExternalId     = var.external_id
    SessionTags    = tostring(var.session_tags)

    ValidatePolicies = tostring(var.validate_policies)
    CheckPolicies    = tostring(var.check_policies)
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
