output "role_arn" {
  description = "ARN of the role in the provider's account; null if create_here is false."
  value       = one(aws_iam_role.this[*].arn)
}
