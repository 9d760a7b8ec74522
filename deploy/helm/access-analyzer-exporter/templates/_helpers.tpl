{{- /* Value of the label app.kubernetes.io/name. */ -}}
{{- define "exporter.chart" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if not (contains .Chart.Name $name) -}}
{{- fail (printf "nameOverride=%s must contain %s, because the alert rules select the job by it" $name .Chart.Name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "exporter.name" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $chart := include "exporter.chart" . -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- end -}}
{{- if not (or (contains .Chart.Name $name) (dig "rules" "job" "" .Values.config) (dig "rules" "job" "" .Values.prometheusRule.config)) -}}
{{- fail (printf "fullnameOverride=%s must contain %s unless config.rules.job is set, because the alert rules select the job by it" $name .Chart.Name) -}}
{{- end -}}
{{- /* A StatefulSet adds a hash of 11 characters to it for a label. */ -}}
{{- if gt (len $name) 52 -}}
{{- fail (printf "%s is longer than 52 characters; set fullnameOverride to something shorter that contains %s" $name .Chart.Name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "exporter.selector" -}}
app.kubernetes.io/name: {{ include "exporter.chart" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "exporter.labels" -}}
{{ include "exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "exporter.serviceAccount" -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create=false needs serviceAccount.name: the account to use instead" -}}
{{- end -}}
{{- default (include "exporter.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- /* Address within the cluster. A headless Service does not translate the port. */ -}}
{{- define "exporter.address" -}}
{{- $headless := and (eq .Values.service.type "ClusterIP") (eq .Values.service.clusterIP "None") -}}
{{ include "exporter.name" . }}.{{ .Release.Namespace }}:{{ ternary 10289 (int .Values.service.port) $headless }}
{{- end -}}

{{- define "exporter.image" -}}
{{- $image := .Values.image.repository -}}
{{- with .Values.image.registry -}}
{{- $image = printf "%s/%s" . $image -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{ $image }}@{{ .Values.image.digest }}
{{- else -}}
{{ $image }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* A probe: over HTTP or, if a web configuration may require credentials that
the kubelet does not have, with the binary on a listener of the pod itself. */ -}}
{{- define "exporter.probe" -}}
{{- if .root.Values.web.existingSecret -}}
exec:
  command:
    - /access-analyzer-exporter
    - healthcheck
    - --web.health-listen-address=127.0.0.1:10290
    {{- if .ready }}
    - --ready
    {{- end }}
{{- else -}}
httpGet:
  path: {{ ternary "/-/ready" "/-/healthy" .ready }}
  port: http
{{- end -}}
{{- end -}}

{{- define "exporter.pod" -}}
metadata:
  labels:
    {{- include "exporter.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "exporter.serviceAccount" . }}
  # What AWS credentials need is projected apart from this.
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "exporter.selector" $ | nindent 10 }}
    {{- end }}
    {{- end }}
  containers:
    - name: exporter
      image: {{ include "exporter.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - --config.file=/etc/access-analyzer-exporter/config/config.yaml
        - --config.auto-reload-interval=30s
        {{- if .Values.web.existingSecret }}
        - --web.config.file=/etc/access-analyzer-exporter/web/web.yaml
        - --web.health-listen-address=127.0.0.1:10290
        {{- end }}
        {{- if .Values.web.enablePprof }}
        - --web.enable-pprof
        {{- end }}
        - --log.level={{ .Values.log.level }}
        - --log.format={{ .Values.log.format }}
        {{- if gt (int .Values.shards) 1 }}
        - --shard.total={{ .Values.shards }}
        {{- end }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or (gt (int .Values.shards) 1) .Values.aws.region .Values.env .Values.extraEnv }}
      env:
        {{- if gt (int .Values.shards) 1 }}
        # The name ends in the ordinal, which is the number of the shard.
        - name: ACCESS_ANALYZER_EXPORTER_SHARD_INDEX
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- end }}
        {{- with .Values.aws.region }}
        - name: AWS_REGION
          value: {{ . }}
        {{- end }}
        {{- range $name, $value := .Values.env }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 10289
      livenessProbe:
        {{- include "exporter.probe" (dict "root" . "ready" false) | nindent 8 }}
        periodSeconds: 30
        timeoutSeconds: 5
      # A pod is ready after its first sweep. Until then the previous pod keeps running.
      readinessProbe:
        {{- include "exporter.probe" (dict "root" . "ready" true) | nindent 8 }}
        periodSeconds: 10
        timeoutSeconds: 5
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        # As a directory: a single file that is mounted is never updated.
        - name: config
          mountPath: /etc/access-analyzer-exporter/config
          readOnly: true
        {{- if .Values.web.existingSecret }}
        - name: web
          mountPath: /etc/access-analyzer-exporter/web
          readOnly: true
        {{- end }}
        {{- if .Values.externalId.existingSecret }}
        - name: external-id
          mountPath: /etc/access-analyzer-exporter/external-id
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ default (include "exporter.name" .) .Values.existingConfigMap }}
    {{- with .Values.web.existingSecret }}
    - name: web
      secret:
        secretName: {{ . }}
    {{- end }}
    {{- with .Values.externalId }}
    {{- if .existingSecret }}
    - name: external-id
      secret:
        secretName: {{ .existingSecret }}
        items:
          - key: {{ .key }}
            path: {{ .key }}
    {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
