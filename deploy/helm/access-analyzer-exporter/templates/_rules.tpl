{{- /* The rules for a configuration. They are made of the same files as by the
command rules, which has the comments. */ -}}
{{- define "exporter.rules" -}}
{{- $config := include "exporter.rulesConfig" . | fromYaml -}}
{{- $settings := $config.rules -}}
{{- $text := .Files.Get "files/rules.in.yaml" -}}
{{- $excluded := list (ternary "no_portal" "portal" (not (empty (include "exporter.portal" $config)))) -}}
{{- if not $settings.exporter -}}
{{- $excluded = append $excluded "exporter" -}}
{{- end -}}
{{- range $excluded -}}
{{- $text = regexReplaceAll (printf "(?m)^.*\\$\\{%s\\}.*\n" .) $text "" -}}
{{- end -}}
{{- range $name, $shared := .Files.Get "files/texts.yaml" | fromYaml -}}
{{- $text = replace (printf "${%s}" $name) $shared $text -}}
{{- end -}}
{{- range $name, $value := include "exporter.rulesValues" $config | fromYaml -}}
{{- $text = replace (printf "${%s}" $name) $value $text -}}
{{- end -}}
{{- $has := dict
  "external" (dig "coverage" "external" "required" true $config)
  "unused" (dig "coverage" "unused" "required" false $config)
  "internal" (dig "coverage" "internal" "required" false $config)
  "findings" $config.findings.enabled
  "archived" (and $config.findings.enabled (has "ARCHIVED" $config.findings.statuses))
  "events" (not (empty $config.events.queue_url))
  "policies" $config.policies.enabled
  "account_labels" (not (empty $settings.account_labels)) -}}
{{- $groups := list -}}
{{- range $group := ($text | fromYaml).groups -}}
{{- $rules := list -}}
{{- range $rule := $group.rules -}}
{{- $wanted := not (has (default "" $rule.alert) $settings.leave_out) -}}
{{- range concat (default list $group.needs) (default list $rule.needs) -}}
{{- $wanted = and $wanted (get $has .) -}}
{{- end -}}
{{- with get $settings.severities (default "" $rule.alert) -}}
{{- $_ := set $rule.labels "severity" . -}}
{{- end -}}
{{- if $wanted -}}
{{- $rules = append $rules (omit $rule "needs") -}}
{{- end -}}
{{- end -}}
{{- $limit := default (len $rules) $settings.group_limit | int -}}
{{- range $i, $part := $rules | chunk (max $limit 1 | int) -}}
{{- $name := ternary $group.name (printf "%s-%d" $group.name (add $i 1)) (eq $i 0) -}}
{{- $groups = append $groups (merge (dict "name" $name "rules" $part) (omit $group "needs")) -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "groups" $groups) -}}
{{- end -}}

{{- /* The configuration with its defaults. Sections replace key by key: merge ignores
values such as false. One that this chart does not have may require everything. */ -}}
{{- define "exporter.rulesConfig" -}}
{{- $config := .Files.Get "files/config.yaml" | fromYaml -}}
{{- $given := .Values.config -}}
{{- if .Values.existingConfigMap -}}
{{- $given = .Values.prometheusRule.config -}}
{{- $_ := set $config "coverage" (dict "unused" (dict "required" true) "internal" (dict "required" true)) -}}
{{- $_ := set $config "events" (dict "queue_url" "in existingConfigMap") -}}
{{- $_ := set $config.policies "enabled" true -}}
{{- else if .Values.prometheusRule.config -}}
{{- fail "prometheusRule.config is for existingConfigMap; without it the rules are for config" -}}
{{- end -}}
{{- range $section, $value := $given -}}
{{- if kindIs "map" $value -}}
{{- range $key, $value := $value -}}
{{- $_ := set (get $config $section) $key $value -}}
{{- end -}}
{{- else -}}
{{- $_ := set $config $section $value -}}
{{- end -}}
{{- end -}}
{{- if not $config.rules.account_labels -}}
{{- $_ := set $config.rules "account_labels" (include "exporter.accountLabels" $config.accounts | fromYamlArray) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* The template of links through an access portal: that of the configuration, or of
the AWS access portal. Empty: links open in the account that the reader is signed in to. */ -}}
{{- define "exporter.portal" -}}
{{- with .aws -}}
{{- if .console_url -}}
{{- .console_url -}}
{{- else if .sso_start_url -}}
{{- trimSuffix "/" .sso_start_url -}}/#/console?account_id={account_id}
{{- with .sso_role }}&role_name={{ urlquery . }}{{ end -}}
&destination={destination}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* A dashboard whose links into the AWS console go through the access portal, if there
is one. */ -}}
{{- define "exporter.dashboard" -}}
{{- $json := toString .json -}}
{{- with include "exporter.rulesConfig" .root | fromYaml | include "exporter.portal" -}}
{{- $template := . -}}
{{- range $.root.Files.Get "files/portal.json" | fromJsonArray -}}
{{- $link := $template | replace "{account_id}" .account_id | replace "{region}" .region | replace "{destination}" .destination -}}
{{- $json = replace (quote .url) (quote $link) $json -}}
{{- end -}}
{{- end -}}
{{- $json -}}
{{- end -}}

{{- /* The labels of accounts in the section accounts. */ -}}
{{- define "exporter.accountLabels" -}}
{{- $keys := list -}}
{{- range $key := concat (dig "labels" "tags" list . | default list) -}}
{{- $keys = append $keys $key -}}
{{- end -}}
{{- $static := list -}}
{{- range $account := default list .static -}}
{{- $static = concat $static (keys (default dict $account.labels)) -}}
{{- end -}}
{{- range $key := $static | uniq | sortAlpha -}}
{{- if not (has $key $keys) -}}
{{- $keys = append $keys $key -}}
{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- if dig "labels" "ou" false . -}}
{{- $names = append $names "ou_name" -}}
{{- end -}}
{{- range $keys -}}
{{- $name := regexReplaceAll "[^a-zA-Z0-9_]" . "_" -}}
{{- $names = append $names (printf "label_%s" (regexReplaceAll "([a-z0-9])([A-Z])" $name "${1}_${2}" | lower)) -}}
{{- end -}}
{{- toYaml $names -}}
{{- end -}}

{{- /* The values of the placeholders for a configuration. */ -}}
{{- define "exporter.rulesValues" -}}
{{- $settings := .rules -}}
{{- $identity := append $settings.identity "job" -}}
{{- $same := list -}}
{{- $arguments := list -}}
{{- range $identity -}}
{{- $same = append $same (printf "%s=%%q" .) -}}
{{- $arguments = append $arguments (printf "$labels.%s" .) -}}
{{- end -}}
{{- $exporter := $settings.exporter -}}
{{- range $identity -}}
{{- $exporter = replace (printf "{%s}" .) (printf "{{ $labels.%s }}" .) $exporter -}}
{{- end -}}
{{- $portal := include "exporter.portal" . | replace "{account_id}" "{{ $account }}" | replace "{region}" "{{ $region }}" | replace "{destination}" "{{ $destination }}" -}}
{{- $owner := "" -}}
{{- range $settings.account_labels -}}
{{- $owner = printf "%s{{ with $labels.%s }}, %s: {{ . }}{{ end }}" $owner . (trimPrefix "label_" .) -}}
{{- end -}}
{{- $values := dict
  "id" (join ", " $identity)
  "same" (join "," $same)
  "args" (join " " $arguments)
  "jobs" (quote $settings.job)
  "account" (prepend $settings.account_labels "account_name" | join ", ")
  "account_labels" (join ", " $settings.account_labels)
  "account_info" (printf "account:aws_access_analyzer_account_info:%s" (ternary "labels" "name" (not (empty $settings.account_labels))))
  "owner" $owner
  "runbooks" $settings.runbooks
  "dashboards" $settings.dashboards
  "exporter" $exporter
  "portal" $portal
  "no_portal" ""
  "unknown_ratio" (divf $settings.unknown_percent 100 | toString)
  "throttled_ratio" (divf $settings.throttled_percent 100 | toString)
  "archived" ($settings.archived_findings | toString) -}}
{{- $hour := 3600000 -}}
{{- $sweep := include "exporter.milliseconds" .sweep.interval | int64 -}}
{{- $count := include "exporter.milliseconds" .findings.interval | int64 -}}
{{- $missed := sub (add $sweep (include "exporter.milliseconds" .sweep.timeout)) (include "exporter.milliseconds" .stale_after) -}}
{{- $unknown := include "exporter.milliseconds" $settings.unknown_for | int64 -}}
{{- $grace := include "exporter.milliseconds" $settings.new_target_grace | int64 -}}
{{- range $name, $milliseconds := dict
  "lost" (include "exporter.milliseconds" $settings.lost_for)
  "grace" $grace
  "new_target" (add $hour $grace)
  "unread" (max (div $hour 4) (min $missed $unknown))
  "unknown" (max $unknown $missed)
  "unknown_for" $unknown
  "stalled" (max (div $hour 4) (mul 4 $sweep))
  "uncounted" (max (div $hour 4) (mul 4 $count))
  "unvalidated" (add $hour (mul 2 (include "exporter.milliseconds" .policies.interval | int64)))
  "event" (max $hour (mul 2 $count))
  "events" (mul 3 (max $hour (mul 2 $count)))
  "age" (include "exporter.milliseconds" $settings.finding_max_age)
  "unused_age" (include "exporter.milliseconds" $settings.unused_finding_max_age)
  "exemption" (include "exporter.milliseconds" $settings.exemption_notice) -}}
{{- $seconds := div (add $milliseconds 999) 1000 -}}
{{- range list (list 86400 "day") (list 3600 "hour") (list 60 "minute") (list 1 "second") -}}
{{- if eq (mod $seconds (first .)) 0 -}}
{{- $n := div $seconds (first .) -}}
{{- $unit := last . -}}
{{- $_ := set $values $name (printf "%d%s" $n (trunc 1 $unit)) -}}
{{- $_ := set $values (printf "%s.s" $name) (ternary (printf "%d * 86400" $n) (toString $seconds) (eq $unit "day")) -}}
{{- $_ := set $values (printf "%s.words" $name) (printf "%d %s" $n (ternary $unit (printf "%ss" $unit) (eq $n 1))) -}}
{{- break -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $values -}}
{{- end -}}

{{- /* A duration, such as 1h30m. */ -}}
{{- define "exporter.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|[smhdwy])" (toString .) -1 -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" .) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
