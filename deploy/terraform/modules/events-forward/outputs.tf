output "role_arn" {
  description = "ARN of the role that forwards the events."
  value       = aws_iam_role.this.arn
}
