output "queue_url" {
  description = "Value of the exporter's configuration key events.queue_url."
  value       = module.events.queue_url
}

output "hub_role_arn" {
  description = "ARN of the hub role."
  value       = module.hub.role_arn
}
