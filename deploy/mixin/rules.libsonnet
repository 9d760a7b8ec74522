// The groups of rules for a configuration.
local portal = import 'portal.libsonnet';
local replaceAll = import 'replace.libsonnet';

local hour = 3600 * 1000;
local quarter = hour / 4;

// The milliseconds of a duration, such as 1h30m.
local milliseconds(duration) =
  local units = [['y', 365 * 24 * hour], ['w', 7 * 24 * hour], ['d', 24 * hour], ['h', hour], ['m', 60000], ['s', 1000], ['x', 1]];
  local add(sum, unit) =
    local parts = std.splitLimit(sum.rest, unit[0], 1);
    if std.length(parts) == 1 then sum
    else { rest: parts[1], total: sum.total + std.parseInt(parts[0]) * unit[1] };
  std.foldl(add, units, { rest: std.strReplace(std.toString(duration), 'ms', 'x'), total: 0 }).total;

// A duration in the largest unit of which it is a multiple: for Prometheus, as seconds
// for an expression, and in words.
local inUnits(name, duration) =
  local seconds = std.ceil(duration / 1000);
  local unit = [u for u in [[86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']] if seconds % u[0] == 0][0];
  local n = seconds / unit[0];
  {
    [name]: '%d%s' % [n, unit[1][0]],
    [name + '.s']: if unit[1] == 'day' then '%d * 86400' % n else '%d' % seconds,
    [name + '.words']: '%d %s%s' % [n, unit[1], if n == 1 then '' else 's'],
  };

local durations(config) =
  local settings = config.rules;
  local sweep = milliseconds(config.sweep.interval);
  local count = milliseconds(config.findings.interval);
  local missed = sweep + milliseconds(config.sweep.timeout) - milliseconds(config.stale_after);
  local unknown = milliseconds(settings.unknown_for);
  local grace = milliseconds(settings.new_target_grace);
  local event = std.max(hour, 2 * count);
  {
    lost: milliseconds(settings.lost_for),
    grace: grace,
    new_target: hour + grace,
    unread: std.max(quarter, std.min(missed, unknown)),
    unknown: std.max(unknown, missed),
    unknown_for: unknown,
    stalled: std.max(quarter, 4 * sweep),
    uncounted: std.max(quarter, 4 * count),
    unvalidated: 2 * milliseconds(config.policies.interval) + hour,
    event: event,
    events: 3 * event,
    age: milliseconds(settings.finding_max_age),
    unused_age: milliseconds(settings.unused_finding_max_age),
    exemption: milliseconds(settings.exemption_notice),
  };

// The label for a tag: its key in snake case.
local labelName(key) =
  local between(c, first, last) = std.codepoint(c) >= std.codepoint(first) && std.codepoint(c) <= std.codepoint(last);
  local isUpper(c) = between(c, 'A', 'Z');
  local isLower(c) = between(c, 'a', 'z') || between(c, '0', '9');
  local chars = [if isUpper(c) || isLower(c) then c else '_' for c in std.stringChars(key)];
  local separator(i) = if i > 0 && isLower(chars[i - 1]) && isUpper(chars[i]) then '_' else '';
  'label_' + std.asciiLower(std.join('', [separator(i) + chars[i] for i in std.range(0, std.length(chars) - 1)]));

// The labels of accounts for alerts: unless they are chosen, those in accounts.
local accountLabels(config) =
  local labels = std.get(config.accounts, 'labels', {});
  local tags = std.get(labels, 'tags', []);
  local static = std.set(std.flatMap(function(account) std.objectFields(std.get(account, 'labels', {})), config.accounts.static));
  if config.rules.account_labels != [] then config.rules.account_labels
  else (if std.get(labels, 'ou', false) then ['ou_name'] else [])
       + [labelName(key) for key in tags + [key for key in static if !std.member(tags, key)]];

// The values of the placeholders.
local values(config) =
  local settings = config.rules;
  local identity = settings.identity + ['job'];
  local labels = accountLabels(config);
  local display(label) = if std.startsWith(label, 'label_') then label[6:] else label;
  local times = durations(config);
  std.foldl(function(all, name) all + inUnits(name, times[name]), std.objectFields(times), {
    id: std.join(', ', identity),
    same: std.join(',', [label + '=%q' for label in identity]),
    args: std.join(' ', ['$labels.' + label for label in identity]),
    jobs: std.escapeStringJson(settings.job),
    account: std.join(', ', ['account_name'] + labels),
    account_labels: std.join(', ', labels),
    account_info: 'account:aws_access_analyzer_account_info:' + if labels == [] then 'name' else 'labels',
    owner: std.join('', ['{{ with $labels.%s }}, %s: {{ . }}{{ end }}' % [label, display(label)] for label in labels]),
    runbooks: settings.runbooks,
    dashboards: settings.dashboards,
    portal: replaceAll(portal(config), { '{account_id}': '{{ $account }}', '{region}': '{{ $region }}', '{destination}': '{{ $destination }}' }),
    no_portal: '',
    exporter: std.foldl(function(url, label) std.strReplace(url, '{%s}' % label, '{{ $labels.%s }}' % label), identity, settings.exporter),
    unknown_ratio: '%g' % (settings.unknown_percent / 100),
    throttled_ratio: '%g' % (settings.throttled_percent / 100),
    archived: '%d' % settings.archived_findings,
  });

local replace(text, values) = replaceAll(text, { ['${' + name + '}']: values[name] for name in std.objectFields(values) });

// The text without the lines with placeholders that the configuration excludes.
local withLinks(text, config) =
  local excluded = (if config.rules.exporter == '' then ['${exporter}'] else []) + [if portal(config) == '' then '${portal}' else '${no_portal}'];
  local wanted(line) = std.all([std.strReplace(line, name, '') == line for name in excluded]);
  std.join('\n', [line for line in std.split(text, '\n') if wanted(line)]);

local without(object, key) = { [k]: object[k] for k in std.objectFields(object) if k != key };

// What rules can need of a configuration.
local has(config) = {
  external: config.coverage.external.required,
  unused: config.coverage.unused.required,
  internal: config.coverage.internal.required,
  findings: config.findings.enabled,
  archived: config.findings.enabled && std.member(config.findings.statuses, 'ARCHIVED'),
  events: config.events.queue_url != '',
  policies: config.policies.enabled,
  account_labels: accountLabels(config) != [],
};

// The parts of a group that has more rules than the limit.
local divide(group, limit) =
  local n = std.length(group.rules);
  if limit == 0 || n <= limit then [group] else [
    group {
      name: group.name + if i == 0 then '' else '-%d' % (i + 1),
      rules: group.rules[i * limit:std.min(n, (i + 1) * limit)],
    }
    for i in std.range(0, std.ceil(n / limit) - 1)
  ];

function(config)
  local settings = config.rules;
  local provided = has(config);
  local wanted(group, rule) =
    std.all([provided[need] for need in std.get(group, 'needs', []) + std.get(rule, 'needs', [])])
    && !std.member(settings.leave_out, std.get(rule, 'alert', ''));
  local withSeverity(rule) =
    if std.objectHas(settings.severities, std.get(rule, 'alert', ''))
    then rule { labels+: { severity: settings.severities[rule.alert] } }
    else rule;
  local text = replace(withLinks(importstr '../../internal/rules/rules.in.yaml', config), std.parseYaml(importstr '../../internal/rules/texts.yaml'));
  local source = std.parseYaml(replace(text, values(config)));
  local complete = [
    without(group, 'needs') { rules: [withSeverity(without(rule, 'needs')) for rule in group.rules if wanted(group, rule)] }
    for group in source.groups
  ];
  std.flatMap(function(group) divide(group, settings.group_limit), [group for group in complete if group.rules != []])
