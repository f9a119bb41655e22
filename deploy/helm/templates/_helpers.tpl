{{- define "mailweir.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "mailweir.selector" -}}
app.kubernetes.io/name: mailweir
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mailweir.labels" -}}
{{ include "mailweir.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "mailweir.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "mailweir.secret" -}}
{{- .Values.secrets.existingSecret | default (include "mailweir.name" .) -}}
{{- end -}}

{{/* The whole configuration file: what the operator says, with the parts that are the chart's. */}}
{{- define "mailweir.config" -}}
{{- $admin := dict "address" "0.0.0.0:8025" "behind_tls_proxy" true "token" (dict "file" "/run/secrets/mailweir/admin-token") "tokens" (dict "prometheus" (dict "token" (dict "file" "/run/secrets/mailweir/metrics-token") "role" "metrics")) -}}
{{- $ours := dict "spool" (dict "path" "/var/lib/mailweir") "rules" (list "/etc/mailweir/rules.d/*.json") "log" (dict "format" "json") "admin" $admin -}}
{{- mustMergeOverwrite $ours (deepCopy .Values.config) | toPrettyJson -}}
{{- end -}}

{{/* The port on which the first listener stands. */}}
{{- define "mailweir.port" -}}
{{- $listener := first .Values.config.listeners -}}
{{- regexFind "[0-9]+$" $listener.address -}}
{{- end -}}
