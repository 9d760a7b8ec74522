# The exporter as one task on Amazon ECS with AWS Fargate, and a collector in the same
# task that writes its metrics to Amazon Managed Service for Prometheus. The task runs
# as the role of ../hub with runs_on = "ecs".

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.region
  # One service for each shard.
  shards = { for i in range(var.shards) : tostring(i) => var.shards == 1 ? var.name : "${var.name}-${i}" }
}

module "task" {
  source            = "../ecs-task"
  for_each          = local.shards
  exporter_version  = var.exporter_version
  image             = var.image
  config            = var.config
  config_value_from = var.config_value_from
  shard_index       = tonumber(each.key)
  shard_total       = var.shards
  workspace_arn     = var.workspace_arn
  collector_image   = var.collector_image
  scrape_interval   = var.scrape_interval
  expose_page       = var.page_cidr != ""
  https_proxy       = var.https_proxy
  region            = local.region
  dns_suffix        = data.aws_partition.this.dns_suffix
  log_group_name    = aws_cloudwatch_log_group.this.name
}

resource "aws_ecs_cluster" "this" {
  count = var.cluster_arn == "" ? 1 : 0
  name  = var.name
  tags  = var.tags
  # Its metric RunningTaskCount is that of the alarm.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-"
  description = "access-analyzer-exporter - egress to AWS APIs and image registries"
  vpc_id      = var.vpc_id
  tags        = var.tags
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "https_ipv6" {
  security_group_id = aws_security_group.this.id
  description       = "HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv6         = "::/0"
}

resource "aws_vpc_security_group_egress_rule" "proxy" {
  count             = var.https_proxy == "" ? 0 : 1
  security_group_id = aws_security_group.this.id
  description       = "Proxy"
  ip_protocol       = "tcp"
  from_port         = var.proxy_port
  to_port           = var.proxy_port
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "page" {
  count             = var.page_cidr == "" ? 0 : 1
  security_group_id = aws_security_group.this.id
  description       = "Coverage map and metrics"
  ip_protocol       = "tcp"
  from_port         = 10289
  to_port           = 10289
  cidr_ipv4         = var.page_cidr
}

# All containers of a task share the task role.
resource "aws_iam_role_policy" "remote_write" {
  name = "${var.name}-remote-write"
  role = split("role/", var.task_role_arn)[1]
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "WriteMetrics", Effect = "Allow", Action = "aps:RemoteWrite", Resource = var.workspace_arn }]
  })
}

# ECS uses it to start the task: images, logs and the configuration.
resource "aws_iam_role" "execution" {
  name_prefix = "${substr(var.name, 0, 26)}-start-"
  description = "Allows Amazon ECS to start access-analyzer-exporter"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowECSTasks"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name = "start-task"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        { Sid = "WriteLogs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${aws_cloudwatch_log_group.this.arn}:*" },
        # For copies of the images in Amazon ECR.
        { Sid = "AuthorizePulls", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = "*" },
        {
          Sid      = "PullImages"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = "arn:${local.partition}:ecr:${local.region}:${local.account}:repository/*"
        },
      ],
      var.config_value_from == "" ? [] : [
        { Sid = "ReadConfiguration", Effect = "Allow", Action = ["secretsmanager:GetSecretValue", "ssm:GetParameters"], Resource = var.config_value_from },
      ],
    )
  })
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.shards
  family                   = each.value
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "512"
  memory                   = tostring(var.memory)
  task_role_arn            = var.task_role_arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = module.task[each.key].container_definitions
  tags                     = var.tags
  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }
}

resource "aws_ecs_service" "this" {
  for_each         = local.shards
  name             = each.value
  cluster          = var.cluster_arn == "" ? aws_ecs_cluster.this[0].arn : var.cluster_arn
  task_definition  = aws_ecs_task_definition.this[each.key].arn
  launch_type      = "FARGATE"
  platform_version = "LATEST"
  # The old task stops before the new one starts: two would write the same series.
  desired_count                      = 1
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  availability_zone_rebalancing      = "DISABLED"
  propagate_tags                     = "SERVICE"
  tags                               = var.tags
  # After three failed starts, for example with an invalid configuration.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets          = var.subnet_ids
    assign_public_ip = var.assign_public_ip
    security_groups  = [aws_security_group.this.id]
  }
  depends_on = [aws_iam_role_policy.remote_write, aws_iam_role_policy.execution]
}

# Does not depend on Prometheus.
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each          = length(var.alarm_topic_arns) == 0 ? {} : local.shards
  alarm_name        = each.value
  alarm_description = "No task of access-analyzer-exporter has run for 10 minutes. IAM Access Analyzer is not monitored. The stopped tasks of the service have the reason."
  namespace         = "ECS/ContainerInsights"
  metric_name       = "RunningTaskCount"
  dimensions = {
    ClusterName = var.cluster_arn == "" ? aws_ecs_cluster.this[0].name : split("cluster/", var.cluster_arn)[1]
    ServiceName = aws_ecs_service.this[each.key].name
  }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 10
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = var.tags
}
