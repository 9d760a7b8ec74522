output "queue_url" {
  description = "Value of the exporter's configuration key events.queue_url."
  value       = aws_sqs_queue.this.url
}

output "queue_arn" {
  description = "Value of queue_arn of ../hub."
  value       = aws_sqs_queue.this.arn
}

output "bus_arn" {
  description = "Value of bus_arn of ../events-forward."
  value       = data.aws_cloudwatch_event_bus.default.arn
}
