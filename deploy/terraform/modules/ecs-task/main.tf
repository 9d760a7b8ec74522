# The container definitions of the exporter and its collector as JSON. This module
# requires no provider, so that a test can compare its output with the CloudFormation
# template.

locals {
  # The same after each deployment, and different for each shard.
  instance = "access-analyzer-exporter-${var.shard_index}"
  # Credentials of the task come from 169.254.170.2.
  proxy = var.https_proxy == "" ? [] : [
    { Name = "HTTPS_PROXY", Value = var.https_proxy },
    { Name = "NO_PROXY", Value = "127.0.0.1,169.254.170.2" },
  ]
  logs = { for container in ["exporter", "collector"] : container => {
    logDriver = "awslogs"
    options = {
      awslogs-group         = var.log_group_name
      awslogs-region        = var.region
      awslogs-stream-prefix = container
    }
  } }
}
