output "workspace_arn" {
  description = "Value of workspace_arn of ../ecs."
  value       = aws_prometheus_workspace.this.arn
}

output "workspace_id" {
  description = "ID of the workspace."
  value       = aws_prometheus_workspace.this.id
}

output "prometheus_endpoint" {
  description = "URL of the data source in Grafana."
  value       = aws_prometheus_workspace.this.prometheus_endpoint
}

output "topic_arns" {
  description = "Topics of critical alerts (page) and of all others (ticket). Subscribe your services to them."
  value       = { for name, topic in aws_sns_topic.this : name => topic.arn }
}
