# A whole organization. Apply it with credentials of the management account that can
# assume a role in the hub account. To disable events, remove module.events,
# module.events_forward and queue_arn.

provider "aws" {
  region = var.regions[0]
}

provider "aws" {
  alias  = "hub"
  region = var.regions[0]
  assume_role {
    role_arn = "arn:aws:iam::${var.hub_account_id}:role/OrganizationAccountAccessRole"
  }
}

data "aws_organizations_organization" "this" {}

module "administrator" {
  source     = "../../modules/administrator"
  account_id = var.hub_account_id
}

module "events" {
  source          = "../../modules/events"
  providers       = { aws = aws.hub }
  organization_id = data.aws_organizations_organization.this.id
}

module "events_forward" {
  source    = "../../modules/events-forward"
  providers = { aws = aws.hub }
  bus_arn   = module.events.bus_arn
  regions   = var.regions
}

module "hub" {
  source          = "../../modules/hub"
  providers       = { aws = aws.hub }
  organization_id = data.aws_organizations_organization.this.id
  runs_on         = "pod-identity"
  queue_arn       = module.events.queue_arn
}

# The management account directly, all other accounts through a StackSet.
module "member" {
  source                  = "../../modules/member"
  hub_role_arn            = module.hub.role_arn
  organization_id         = data.aws_organizations_organization.this.id
  organizational_unit_ids = [data.aws_organizations_organization.this.roots[0].id]
}
