output "container_definitions" {
  description = "Container definitions of the task."
  value = jsonencode([
    {
      name                   = "exporter"
      image                  = "${var.image}:${var.exporter_version}"
      essential              = true
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { drop = ["ALL"] } }
      # Every flag has a variable, which the health check reads, too.
      environment = [for v in concat(
        [
          { Name = "ACCESS_ANALYZER_EXPORTER_WEB_LISTEN_ADDRESS", Value = var.expose_page ? ":10289" : "127.0.0.1:10289" },
          { Name = "ACCESS_ANALYZER_EXPORTER_LOG_FORMAT", Value = "json" },
          { Name = "ACCESS_ANALYZER_EXPORTER_SHARD_INDEX", Value = tostring(var.shard_index) },
          { Name = "ACCESS_ANALYZER_EXPORTER_SHARD_TOTAL", Value = tostring(var.shard_total) },
        ],
        var.config_value_from == "" ? [{ Name = "ACCESS_ANALYZER_EXPORTER_CONFIG", Value = var.config }] : [],
        local.proxy,
      ) : { name = v.Name, value = v.Value }]
      secrets = var.config_value_from == "" ? [] : [{ name = "ACCESS_ANALYZER_EXPORTER_CONFIG", valueFrom = var.config_value_from }]
      # ECS ignores the health check of an image. Liveness, not readiness: the first
      # sweep can take longer than the longest startPeriod.
      healthCheck      = { command = ["CMD", "/access-analyzer-exporter", "healthcheck"], interval = 30, timeout = 5, retries = 3, startPeriod = 30 }
      stopTimeout      = 30
      logConfiguration = local.logs["exporter"]
    },
    {
      name      = "collector"
      image     = var.collector_image
      essential = true
      # Restarts the collector without the exporter.
      restartPolicy          = { enabled = true, restartAttemptPeriod = 60 }
      memory                 = 512
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { drop = ["ALL"] } }
      environment = [for v in concat(
        [
          { Name = "AMP_REGION", Value = split(":", var.workspace_arn)[3] },
          { Name = "AMP_REMOTE_WRITE_URL", Value = "https://aps-workspaces.${split(":", var.workspace_arn)[3]}.${var.dns_suffix}/workspaces/${split("/", var.workspace_arn)[1]}/api/v1/remote_write" },
          { Name = "SCRAPE_INTERVAL", Value = var.scrape_interval },
          { Name = "SCRAPE_TIMEOUT", Value = "25s" },
          { Name = "INSTANCE", Value = local.instance },
        ],
        local.proxy,
        [{ Name = "AOT_CONFIG_CONTENT", Value = file("${path.module}/../../../ecs/collector.yaml") }],
      ) : { name = v.Name, value = v.Value }]
      healthCheck      = { command = ["CMD", "/healthcheck"], interval = 30, timeout = 5, retries = 3, startPeriod = 30 }
      stopTimeout      = 30
      logConfiguration = local.logs["collector"]
    },
  ])
}
