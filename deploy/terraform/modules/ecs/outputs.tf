output "service_names" {
  description = "Services of the exporter by shard, for aws ecs update-service."
  value       = { for shard, service in aws_ecs_service.this : shard => service.name }
}

output "security_group_id" {
  description = "Security group of the tasks."
  value       = aws_security_group.this.id
}

output "log_group_name" {
  description = "Log group of the exporter and of the collector."
  value       = aws_cloudwatch_log_group.this.name
}
