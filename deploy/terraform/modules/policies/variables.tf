variable "partition" {
  description = "AWS partition: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
}

variable "member_role_name" {
  description = "Name of the member role in all other accounts, with its path if it has one, as in assume_role.name."
  type        = string
  default     = "access-analyzer-exporter"
}

variable "hub_role_arn" {
  description = "ARN of the hub role."
  type        = string
  default     = ""
}

variable "organization_id" {
  description = "AWS Organizations ID. Only principals in this organization can assume the role, and only roles in its accounts can be assumed."
  type        = string
  default     = ""
}

variable "external_id" {
  description = "As in assume_role.external_id; empty for none."
  type        = string
  default     = ""
  sensitive   = true
}

variable "session_tags" {
  description = "Whether the exporter runs on EKS Pod Identity, whose sessions have transitive tags."
  type        = bool
  default     = true
}

variable "read_ou_names" {
  description = "Whether the exporter can read the names of organizational units, for accounts.labels.ou."
  type        = bool
  default     = false
}

variable "read_account_tags" {
  description = "Whether the exporter can read the tags of accounts, for accounts.labels.tags."
  type        = bool
  default     = false
}

variable "queue_arn" {
  description = "ARN of the SQS queue for events; empty to disable events."
  type        = string
  default     = ""
}

variable "queue_key_arn" {
  description = "ARN of the KMS key that encrypts the queue; empty for none."
  type        = string
  default     = ""
}

variable "validate_policies" {
  description = "Whether the exporter can read and validate all IAM policies, for policies.enabled."
  type        = bool
  default     = false
}

variable "check_policies" {
  description = "With validate_policies, whether the exporter can make the calls that AWS bills, for policies.checks."
  type        = bool
  default     = false
}
