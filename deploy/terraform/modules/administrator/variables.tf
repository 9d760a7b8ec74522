variable "account_id" {
  description = "ID of the hub account, which also owns the organization analyzers."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is the 12 digits of an account."
  }
}
