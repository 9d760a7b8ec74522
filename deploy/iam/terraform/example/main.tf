# An organization: run it once with credentials of the management account, which
# may assume a role in the account that is to administer IAM Access Analyzer.
# Without events, leave out module.events, module.events_forward and queue_arn.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 6.0" }
  }
}

variable "hub_account_id" {
  description = "The account that is to administer IAM Access Analyzer, where the exporter's role is."
  type        = string
}

variable "regions" {
  description = "Where analyzers are; the exporter runs in the first."
  type        = list(string)
  default     = ["eu-west-1", "eu-central-1", "us-east-1"]
}

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
  source     = "../modules/administrator"
  account_id = var.hub_account_id
}

module "events" {
  source          = "../modules/events"
  providers       = { aws = aws.hub }
  organization_id = data.aws_organizations_organization.this.id
}

module "events_forward" {
  source    = "../modules/events-forward"
  providers = { aws = aws.hub }
  bus_arn   = module.events.bus_arn
  regions   = var.regions
}

module "hub" {
  source    = "../modules/hub"
  providers = { aws = aws.hub }
  runs_on   = "pod-identity"
  queue_arn = module.events.queue_arn
}

# The management account by itself, all others by a StackSet.
module "member" {
  source                  = "../modules/member"
  hub_role_arn            = module.hub.role_arn
  organization_id         = data.aws_organizations_organization.this.id
  organizational_unit_ids = [data.aws_organizations_organization.this.roots[0].id]
}

output "queue_url" {
  description = "events.queue_url of the exporter."
  value       = module.events.queue_url
}

output "hub_role_arn" {
  description = "The role that the exporter runs as."
  value       = module.hub.role_arn
}
