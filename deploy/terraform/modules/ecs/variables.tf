variable "name" {
  description = "Name of the service, its cluster and its log group. Shards have their index as a suffix."
  type        = string
  default     = "access-analyzer-exporter"
}

variable "exporter_version" {
  description = "Version of the exporter, the tag of its image."
  type        = string
}

variable "image" {
  description = "Image of the exporter without its tag, for a copy in your registry."
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
  description = "ARN of an SSM parameter or a Secrets Manager secret that is the configuration, for one with an external ID. ECS reads it when a task starts. The ARN of a secret has no JSON key."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(|arn:aws(-[a-z]+)*:(ssm:[a-z0-9-]+:[0-9]{12}:parameter/.+|secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+))$", var.config_value_from))
    error_message = "config_value_from is the ARN of an SSM parameter, or of a secret without a JSON key."
  }
}

variable "task_role_arn" {
  description = "ARN of the hub role, output of ../hub. This module allows it to write to the workspace."
  type        = string
  validation {
    condition     = can(regex("^(arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_-]{1,64})$", var.task_role_arn))
    error_message = "task_role_arn is the ARN of a role without a path."
  }
}

variable "shards" {
  description = "Number of shards, each a service. One is enough for thousands of accounts."
  type        = number
  default     = 1
  validation {
    condition     = var.shards >= 1
    error_message = "shards is at least 1."
  }
}

variable "workspace_arn" {
  description = "ARN of the workspace of Amazon Managed Service for Prometheus, output of ../amp."
  type        = string
  validation {
    condition     = can(regex("^(arn:aws(-[a-z]+)*:aps:[a-z0-9-]+:[0-9]{12}:workspace/ws-[a-z0-9-]+)$", var.workspace_arn))
    error_message = "workspace_arn is the ARN of a workspace, which ends in workspace/ws-…."
  }
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
  validation {
    condition     = contains(["30s", "60s", "120s"], var.scrape_interval)
    error_message = "scrape_interval is 30s, 60s or 120s."
  }
}

variable "vpc_id" {
  description = "VPC of the subnets."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets with a route to the internet, through a NAT gateway or, with assign_public_ip, an internet gateway."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "True in public subnets. Unless page_cidr is set, the security group accepts no connections."
  type        = bool
  default     = false
}

variable "page_cidr" {
  description = "IPv4 network that can reach the coverage map and the metrics on port 10289; empty for none. They expose account IDs and coverage gaps."
  type        = string
  default     = ""
}

variable "https_proxy" {
  description = "URL of a proxy for all connections to AWS; empty for none."
  type        = string
  default     = ""
}

variable "proxy_port" {
  description = "Port of the proxy."
  type        = number
  default     = 3128
}

variable "cluster_arn" {
  description = "ARN of an ECS cluster; empty to create one. The alarm requires Container Insights."
  type        = string
  default     = ""
}

variable "cpu_architecture" {
  description = "ARM64 or X86_64. ARM64 costs 20% less."
  type        = string
  default     = "ARM64"
  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "cpu_architecture is ARM64 or X86_64."
  }
}

variable "memory" {
  description = "Memory of the task in MiB, of which the collector can use 512. The task has 0.5 vCPU."
  type        = number
  default     = 1024
  validation {
    condition     = contains([1024, 2048, 3072, 4096], var.memory)
    error_message = "memory is 1024, 2048, 3072 or 4096."
  }
}

variable "log_retention_days" {
  description = "Retention of the logs."
  type        = number
  default     = 30
}

variable "alarm_topic_arns" {
  description = "ARNs of SNS topics for the alarm that no task has run for 10 minutes, such as the topic page of ../amp; empty for no alarm."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
