variable "hub_account_id" {
  description = "ID of the hub account, the delegated administrator for IAM Access Analyzer."
  type        = string
}

variable "regions" {
  description = "Regions with analyzers. The exporter runs in the first."
  type        = list(string)
  default     = ["eu-west-1", "eu-central-1", "us-east-1"]
}
