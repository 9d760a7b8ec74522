output "prometheus_endpoint" {
  description = "URL of the data source in Grafana."
  value       = module.amp.prometheus_endpoint
}

output "topic_arns" {
  description = "Topics of critical alerts (page) and of all others (ticket)."
  value       = module.amp.topic_arns
}

output "service_names" {
  description = "Services of the exporter by shard."
  value       = module.ecs.service_names
}
