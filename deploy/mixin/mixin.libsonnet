// The rules and dashboards of access-analyzer-exporter as a mixin. The rules are made
// of the same files as by the command rules, which has the comments.
local portal = import 'portal.libsonnet';
local replaceAll = import 'replace.libsonnet';
local rules = import 'rules.libsonnet';

// config.yaml has all keys with their defaults.
local defaults = std.parseYaml(importstr '../../config.yaml');

{
  // The configuration of the exporter, as far as the rules depend on it. By default it
  // requires everything, so that no rule is left out.
  _config:: defaults {
    coverage+: { unused+: { required: true }, internal+: { required: true } },
    events+: { queue_url: 'any' },
    policies+: { enabled: true },
  },

  // The mixin for a configuration file: withConfig(std.parseYaml(importstr 'config.yaml')).
  withConfig(config):: self { _config:: std.mergePatch(defaults, config) },

  local groups = rules($._config),
  local hasAlert(group) = std.any([std.objectHas(rule, 'alert') for rule in group.rules]),

  // Groups that only record.
  prometheusRules+:: { groups+: [group for group in groups if !hasAlert(group)] },

  // Groups with alerts, and with the recording rules that these use: rules of a group
  // run in order, and alerts of another group would be an interval late.
  prometheusAlerts+:: { groups+: [group for group in groups if hasAlert(group)] },

  // A dashboard whose links into the AWS console go through the access portal, if there
  // is one.
  local dashboard(json) =
    local template = portal($._config);
    std.parseJson(if template == '' then json else replaceAll(json, {
      ['"%s"' % link.url]: '"%s"' % replaceAll(template, { '{account_id}': link.account_id, '{region}': link.region, '{destination}': link.destination })
      for link in import '../../grafana/portal.json'
    })),

  grafanaDashboards+:: {
    'access-analyzer-account.json': dashboard(importstr '../../grafana/dashboards/access-analyzer-account.json'),
    'access-analyzer-coverage.json': dashboard(importstr '../../grafana/dashboards/access-analyzer-coverage.json'),
    'access-analyzer-exporter.json': dashboard(importstr '../../grafana/dashboards/access-analyzer-exporter.json'),
    'access-analyzer-findings.json': dashboard(importstr '../../grafana/dashboards/access-analyzer-findings.json'),
    'access-analyzer-policies.json': dashboard(importstr '../../grafana/dashboards/access-analyzer-policies.json'),
    'access-analyzer-report.json': dashboard(importstr '../../grafana/dashboards/access-analyzer-report.json'),
  },
}
