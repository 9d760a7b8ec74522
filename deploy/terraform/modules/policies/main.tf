# The policies of the exporter's roles as JSON. This module requires no provider, so
# that a test can compare its outputs with `access-analyzer-exporter iam-policy`.

locals {
  read = concat([
    {
      Sid      = "ReadAnalyzers"
      Effect   = "Allow"
      Action   = ["access-analyzer:GetAnalyzer", "access-analyzer:GetFindingsStatistics", "access-analyzer:ListAnalyzers", "access-analyzer:ListArchiveRules", "access-analyzer:ListFindings"]
      Resource = ["*"]
    },
    {
      Sid      = "ListRegions"
      Effect   = "Allow"
      Action   = ["account:ListRegions"]
      Resource = ["*"]
    },
    ], var.validate_policies ? [
    {
      Sid      = "ReadPolicies"
      Effect   = "Allow"
      Action   = ["iam:GetAccountAuthorizationDetails"]
      Resource = ["*"]
    },
    {
      Sid      = "ValidatePolicies"
      Effect   = "Allow"
      Action   = concat(var.check_policies ? ["access-analyzer:CheckAccessNotGranted", "access-analyzer:CheckNoNewAccess"] : [], ["access-analyzer:ValidatePolicy"])
      Resource = ["*"]
    },
  ] : [])
  member_roles      = ["arn:${var.partition}:iam::*:role/${var.member_role_name}"]
  from_organization = { "aws:PrincipalOrgID" = var.organization_id }
  principal         = { AWS = var.hub_role_arn }
}
