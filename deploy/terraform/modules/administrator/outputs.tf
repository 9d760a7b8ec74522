output "account_id" {
  description = "ID of the delegated administrator."
  value       = aws_organizations_delegated_administrator.this.account_id
}
