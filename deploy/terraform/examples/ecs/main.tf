# A whole organization, monitored from Amazon ECS, with the metrics in Amazon Managed
# Service for Prometheus. Apply it with credentials of the management account that can
# assume a role in the hub account.

provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "hub"
  region = var.region
  assume_role {
    role_arn = "arn:aws:iam::${var.hub_account_id}:role/OrganizationAccountAccessRole"
  }
}

data "aws_organizations_organization" "this" {}

module "administrator" {
  source     = "../../modules/administrator"
  account_id = var.hub_account_id
}

module "hub" {
  source          = "../../modules/hub"
  providers       = { aws = aws.hub }
  organization_id = data.aws_organizations_organization.this.id
  runs_on         = "ecs"
  queue_arn       = module.events.queue_arn
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
  regions   = var.analyzer_regions
}

# The management account directly, all other accounts through a StackSet.
module "member" {
  source                  = "../../modules/member"
  hub_role_arn            = module.hub.role_arn
  organization_id         = data.aws_organizations_organization.this.id
  organizational_unit_ids = [data.aws_organizations_organization.this.roots[0].id]
  session_tags            = false
}

module "amp" {
  source    = "../../modules/amp"
  providers = { aws = aws.hub }
}

module "ecs" {
  source           = "../../modules/ecs"
  providers        = { aws = aws.hub }
  exporter_version = var.exporter_version
  task_role_arn    = module.hub.role_arn
  workspace_arn    = module.amp.workspace_arn
  vpc_id           = var.vpc_id
  subnet_ids       = var.subnet_ids
  assign_public_ip = var.assign_public_ip
  alarm_topic_arns = [module.amp.topic_arns["page"]]
  config           = <<-EOT
    accounts: {discovery: organization}
    assume_role: {name: access-analyzer-exporter}
    events: {queue_url: "${module.events.queue_url}"}
  EOT
}
