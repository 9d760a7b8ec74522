output "hub" {
  description = "Policy of the hub role."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.read,
      [{
        Sid      = "ReadOrganization"
        Effect   = "Allow"
        Action   = ["organizations:DescribeOrganization", "organizations:ListAccounts", "organizations:ListDelegatedAdministrators"]
        Resource = ["*"]
      }],
      var.validate_policies ? [{
        Sid      = "ReadOrganizationPolicies"
        Effect   = "Allow"
        Action   = ["organizations:DescribePolicy", "organizations:ListPolicies"]
        Resource = ["*"]
      }] : [],
      var.read_ou_names ? [{
        Sid      = "ReadOUNames"
        Effect   = "Allow"
        Action   = ["organizations:DescribeOrganizationalUnit"]
        Resource = ["*"]
      }] : [],
      var.read_account_tags ? [{
        Sid      = "ReadAccountTags"
        Effect   = "Allow"
        Action   = ["organizations:ListTagsForResource"]
        Resource = ["*"]
      }] : [],
      var.queue_arn == "" ? [] : [{
        Sid      = "ReadEvents"
        Effect   = "Allow"
        Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
        Resource = [var.queue_arn]
      }],
      [{
        Sid      = "AssumeMemberRoles"
        Effect   = "Allow"
        Action   = ["sts:AssumeRole"]
        Resource = local.member_roles
        # The ARN matches every AWS account.
        Condition = { StringEquals = { "aws:ResourceOrgID" = var.organization_id } }
      }],
      var.session_tags ? [{
        Sid      = "TagSessions"
        Effect   = "Allow"
        Action   = ["sts:TagSession"]
        Resource = local.member_roles
      }] : [],
      var.queue_key_arn == "" ? [] : [{
        Sid      = "DecryptEvents"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.queue_key_arn]
      }],
    )
  })
}

output "member" {
  description = "Policy of the member role."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.read })
}

output "trust" {
  description = "Trust policy of the member role."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "AllowExporterToAssumeRole"
        Effect    = "Allow"
        Principal = local.principal
        Action    = ["sts:AssumeRole"]
        Condition = { StringEquals = merge(local.from_organization, var.external_id == "" ? {} : { "sts:ExternalId" = var.external_id }) }
      }],
      # A separate statement: AWS does not document that sts:ExternalId is set for
      # sts:TagSession.
      var.session_tags ? [{
        Sid       = "AllowSessionTags"
        Effect    = "Allow"
        Principal = local.principal
        Action    = ["sts:TagSession"]
        Condition = { StringEquals = local.from_organization }
      }] : [],
    )
  })
  sensitive = true
}
