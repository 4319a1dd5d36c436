{{- define "outrigger.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "outrigger.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "outrigger.labels" -}}
{{ include "outrigger.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version) }}
{{- end }}

{{- define "outrigger.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "outrigger.name" .) }}
{{- end }}

{{- define "outrigger.image" -}}
{{ .Values.image.repository }}
{{- with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The container, in a pod of its own or beside an app: one definition. */}}
{{- define "outrigger.container" -}}
name: {{ eq .Values.kind "Sidecar" | ternary "outrigger-pipeline" "outrigger" }}
image: {{ include "outrigger.image" . | quote }}
args:
  - pipeline
  - -f
  - /etc/outrigger/pipeline.yaml
  - --state
  - /var/lib/outrigger
  - --metrics
  - 0.0.0.0:{{ int .Values.metrics.port }}
{{- if eq .Values.kind "Sidecar" }}
# Starts before the app, ends after it, and lets a job end.
restartPolicy: Always
{{- end }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: metrics
    containerPort: {{ int .Values.metrics.port }}
    protocol: TCP
  {{- range .Values.ports }}
  - name: {{ .name }}
    containerPort: {{ int .port }}
    protocol: {{ .protocol | default "TCP" }}
  {{- end }}
startupProbe:
  httpGet: { path: /metrics, port: metrics }
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 60
{{- if ne .Values.kind "Sidecar" }}
readinessProbe:
  httpGet: { path: /metrics, port: metrics }
  periodSeconds: 5
  timeoutSeconds: 2
{{- end }}
livenessProbe:
  httpGet: { path: /metrics, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: {{ not .Values.hostLogs.enabled }}
  {{- if .Values.hostLogs.enabled }}
  runAsUser: 0
  {{- else if not .Values.openshift.enabled }}
  runAsUser: 65532
  {{- end }}
  capabilities: { drop: [ALL] }
  seccompProfile: { type: RuntimeDefault }
volumeMounts:
  - { name: outrigger-pipeline, mountPath: /etc/outrigger, readOnly: true }
  - { name: {{ include "outrigger.stateVolume" . }}, mountPath: /var/lib/outrigger }
  - { name: outrigger-tmp, mountPath: /tmp }
  {{- if .Values.hostLogs.enabled }}
  - { name: pod-logs, mountPath: /var/log/pods, readOnly: true }
  {{- end }}
  {{- if eq .Values.kind "Sidecar" }}
  {{- with .Values.sidecar.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end }}

{{- define "outrigger.stateVolume" -}}
{{ eq .Values.kind "Sidecar" | ternary "outrigger-pipeline-state" "state" }}
{{- end }}

{{- define "outrigger.volumes" -}}
- name: outrigger-pipeline
  configMap: { name: {{ include "outrigger.name" . }} }
- name: outrigger-tmp
  emptyDir: {}
{{- if ne .Values.kind "StatefulSet" }}
- name: {{ include "outrigger.stateVolume" . }}
  emptyDir: { sizeLimit: {{ .Values.state.size | quote }} }
{{- end }}
{{- if .Values.hostLogs.enabled }}
- name: pod-logs
  hostPath: { path: /var/log/pods, type: Directory }
{{- end }}
{{- end }}
