# Registers the delegated administrator for IAM Access Analyzer. Apply it once, with
# credentials of the management account, after
#
#   aws iam create-service-linked-role --aws-service-name access-analyzer.amazonaws.com
#   aws organizations enable-aws-service-access --service-principal access-analyzer.amazonaws.com
#
# The first command fails if the role exists; ignore that error.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 6.0" }
  }
}

variable "account_id" {
  description = "ID of the hub account, which also owns the organization analyzers."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is the 12 digits of an account."
  }
}

resource "aws_organizations_delegated_administrator" "this" {
  account_id        = var.account_id
  service_principal = "access-analyzer.amazonaws.com"
}
