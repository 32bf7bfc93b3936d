{{/* The labels by which the pods are selected. They never change. */}}
{{- define "framehook.selector" -}}
app.kubernetes.io/name: framehook
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "framehook.labels" -}}
{{ include "framehook.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* The settings of the service as JSON: the chart's own, over which those of `settings` take precedence. */}}
{{- define "framehook.settings" -}}
{{- $own := dict "FRAMEHOOK_DRAIN_DELAY_S" 11 }}
{{- with .Values.credentials.secretName }}
{{- $_ := set $own "FRAMEHOOK_CREDENTIALS_FILE" "/run/framehook/credentials/credentials.yaml" }}
{{- end }}
{{- with .Values.tls.secretName }}
{{- $_ := set $own "FRAMEHOOK_TLS_CERTIFICATE" "/run/framehook/tls/tls.crt" }}
{{- $_ := set $own "FRAMEHOOK_TLS_KEY" "/run/framehook/tls/tls.key" }}
{{- end }}
{{- with .Values.models.volume }}
{{- $_ := set $own "FRAMEHOOK_MODEL_REPOSITORY" "zoo,/models" }}
{{- end }}
{{- with .Values.streams.volume }}
{{- $_ := set $own "FRAMEHOOK_STREAMS" "/streams" }}
{{- end }}
{{- if .Values.ingress.enabled }}
{{- $_ := set $own "FRAMEHOOK_ALLOWED_HOSTS" .Values.ingress.host }}
{{- end }}
{{- mergeOverwrite $own .Values.settings | toJson }}
{{- end }}

{{/* How a probe asks for a path; pass a list of the root and the path. */}}
{{- define "framehook.probe" -}}
{{- $root := index . 0 }}
{{- if $root.Values.settings.FRAMEHOOK_TLS_CLIENT_CA -}}
tcpSocket: {port: http}  # a probe has no certificate to show
{{- else -}}
httpGet:
  path: {{ index . 1 }}
  port: http
  scheme: {{ ternary "HTTPS" "HTTP" (not (empty $root.Values.tls.secretName)) }}
{{- end }}
{{- end }}
