variable "hub_account_id" {
  description = "ID of the hub account, the delegated administrator for IAM Access Analyzer."
  type        = string
}

variable "region" {
  description = "Region of the exporter and of the workspace."
  type        = string
  default     = "eu-west-1"
}

variable "analyzer_regions" {
  description = "Regions with analyzers, whose events are forwarded."
  type        = list(string)
  default     = ["eu-west-1", "eu-central-1", "us-east-1"]
}

variable "exporter_version" {
  description = "Version of the exporter."
  type        = string
}

variable "vpc_id" {
  description = "VPC in the hub account."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the VPC with a route to the internet."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "True if the subnets are public."
  type        = bool
  default     = false
}
