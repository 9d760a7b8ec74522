output "role_arn" {
  description = "Value of hub_role_arn of ../member and, for irsa, of aws.roleArn of the Helm chart."
  value       = aws_iam_role.this.arn
}
