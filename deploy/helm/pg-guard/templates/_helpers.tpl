{{/* The name of everything. */}}
{{- define "pg-guard.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* By what pods are found; never changed by an upgrade. */}}
{{- define "pg-guard.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pg-guard.labels" -}}
{{ include "pg-guard.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* What clients may write before /mcp, as JSON. */}}
{{- define "pg-guard.hosts" -}}
["{{ include "pg-guard.name" . }}:{{ .Values.service.port }}","{{ include "pg-guard.name" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.port }}","{{ include "pg-guard.name" . }}.{{ .Release.Namespace }}.svc.cluster.local:{{ .Values.service.port }}"
{{- if .Values.ingress.enabled -}},"{{ .Values.ingress.host }}"{{- end -}}
{{- range $index, $host := .Values.allowedHosts -}},"{{ $host }}"{{- end -}}]
{{- end -}}

{{- define "pg-guard.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "pg-guard.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ include "pg-guard.name" . }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}
