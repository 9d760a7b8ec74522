# Registers the delegated administrator for IAM Access Analyzer. Apply it once, with
# credentials of the management account, after
#
#   aws iam create-service-linked-role --aws-service-name access-analyzer.amazonaws.com
#   aws organizations enable-aws-service-access --service-principal access-analyzer.amazonaws.com
#
# The first command fails if the role exists; ignore that error.

resource "aws_organizations_delegated_administrator" "this" {
  account_id        = var.account_id
  service_principal = "access-analyzer.amazonaws.com"
}
