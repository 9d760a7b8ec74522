variable "organization_id" {
  description = "Only accepts events from accounts in this organization."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
