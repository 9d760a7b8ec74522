variable "bus_arn" {
  description = "ARN of the event bus that receives the events: bus_arn of ../events."
  type        = string
}

variable "regions" {
  description = "Regions with analyzers. The Region of the queue is skipped in the hub account."
  type        = set(string)
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
