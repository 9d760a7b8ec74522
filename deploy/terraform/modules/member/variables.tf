variable "hub_role_arn" {
  description = "ARN of the hub role, which must exist."
  type        = string
}

variable "organization_id" {
  description = "AWS Organizations ID. Only principals in this organization can assume the role."
  type        = string
  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id is the ID of an organization, such as o-exampleorg1."
  }
}

variable "role_name" {
  description = "Name of this role, as in assume_role.name."
  type        = string
  default     = "access-analyzer-exporter"
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

variable "organizational_unit_ids" {
  description = "IDs of roots or organizational units. A service-managed StackSet creates the role in their accounts, including future ones. Requires credentials of the management account or of a delegated administrator for StackSets."
  type        = list(string)
  default     = []
}

variable "call_as" {
  description = "SELF if the provider uses the management account, DELEGATED_ADMIN for a delegated administrator."
  type        = string
  default     = "SELF"
}

variable "create_here" {
  description = "Whether to create the role in the provider's account, because StackSets skip the management account. Set to false in the hub account."
  type        = bool
  default     = true
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
