variable "name" {
  description = "Alias of the workspace, and start of the names of its topics."
  type        = string
  default     = "access-analyzer-exporter"
}

variable "rules" {
  description = "Rules in YAML; empty for deploy/prometheus/rules.yaml."
  type        = string
  default     = ""
}

variable "retention_days" {
  description = "Retention of the series."
  type        = number
  default     = 150
}

variable "log_retention_days" {
  description = "Retention of the logs."
  type        = number
  default     = 30
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
