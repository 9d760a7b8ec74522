variable "exporter_version" {
  description = "Version of the exporter, the tag of its image."
  type        = string
}

variable "image" {
  description = "Image of the exporter without its tag."
  type        = string
  default     = "ghcr.io/access-analyzer-exporter/access-analyzer-exporter"
}

variable "config" {
  description = "Configuration of the exporter in YAML. Ignored if config_value_from is set."
  type        = string
  default     = <<-EOT
    accounts: {discovery: organization}
    assume_role: {name: access-analyzer-exporter}
  EOT
}

variable "config_value_from" {
  description = "ARN of an SSM parameter or a Secrets Manager secret with the configuration; empty for config."
  type        = string
  default     = ""
}

variable "shard_index" {
  description = "Index of this shard."
  type        = number
  default     = 0
}

variable "shard_total" {
  description = "Number of shards."
  type        = number
  default     = 1
}

variable "workspace_arn" {
  description = "ARN of the workspace of Amazon Managed Service for Prometheus."
  type        = string
}

variable "collector_image" {
  description = "Image of the AWS Distro for OpenTelemetry Collector, version 0.48 or later. The default is 0.49.0."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector@sha256:d2bdfff2c377c3d71d78bd5d9ce9862fd535b12134a5739d87a07801297cf9fd"
}

variable "scrape_interval" {
  description = "Interval between scrapes. 120s halves the cost of ingestion."
  type        = string
  default     = "60s"
}

variable "expose_page" {
  description = "Whether the exporter listens on all interfaces, for the coverage map."
  type        = bool
  default     = false
}

variable "https_proxy" {
  description = "URL of a proxy for all connections to AWS; empty for none."
  type        = string
  default     = ""
}

variable "region" {
  description = "Region of the logs."
  type        = string
}

variable "dns_suffix" {
  description = "DNS suffix of the partition."
  type        = string
  default     = "amazonaws.com"
}

variable "log_group_name" {
  description = "Log group of both containers."
  type        = string
}
