variable "organization_id" {
  description = "AWS Organizations ID. Only roles in accounts of this organization can be assumed."
  type        = string
  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id is the ID of an organization, such as o-exampleorg1."
  }
}

variable "role_name" {
  description = "Name of this role. The trust policies of the member roles contain its ARN."
  type        = string
  default     = "access-analyzer-exporter-hub"
}

variable "member_role_name" {
  description = "Name of the member role in all other accounts, as in assume_role.name."
  type        = string
  default     = "access-analyzer-exporter"
}

variable "runs_on" {
  description = "Source of the exporter's credentials: pod-identity, irsa, ecs or ec2."
  type        = string
  default     = "pod-identity"
  validation {
    condition     = contains(["pod-identity", "irsa", "ecs", "ec2"], var.runs_on)
    error_message = "runs_on is pod-identity, irsa, ecs or ec2."
  }
}

variable "cluster_name" {
  description = "For pod-identity, the name of the EKS cluster in this account that can use the role; * for any cluster."
  type        = string
  default     = "*"
}

variable "oidc_provider" {
  description = "For irsa, the OIDC issuer of the cluster without https://."
  type        = string
  default     = ""
}

variable "service_account" {
  description = "For pod-identity and irsa, the Kubernetes service account that can use the role, as NAMESPACE:NAME."
  type        = string
  default     = "monitoring:access-analyzer-exporter"
}

variable "session_tags" {
  description = "For pod-identity, whether the association passes session tags. service_account only has an effect with them."
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
  description = "ARN of the SQS queue for events, output of ../events; empty to disable events."
  type        = string
  default     = ""
}

variable "queue_key_arn" {
  description = "ARN of the KMS key that encrypts the queue; empty for the queue of ../events."
  type        = string
  default     = ""
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
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
