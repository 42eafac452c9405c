{{/* Names and labels. */}}
{{- define "sfu.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sfu.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "sfu.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sfu.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sfu.selector" -}}
app.kubernetes.io/name: {{ include "sfu.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sfu.labels" -}}
{{ include "sfu.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "sfu.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sfu.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "sfu.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The Secret with the keys. Either of the two values, and not both: a forgotten one must not win unseen. */}}
{{- define "sfu.keysSecret" -}}
{{- if and .Values.keys.existingSecret .Values.keys.value -}}
{{- fail "keys.existingSecret and keys.value are both set: give one of them" -}}
{{- else if .Values.keys.existingSecret -}}
{{- .Values.keys.existingSecret -}}
{{- else -}}
{{- $_ := required "keys are missing: set keys.existingSecret (a Secret with the text of SFU_KEYS) or keys.value" .Values.keys.value -}}
{{- printf "%s-keys" (include "sfu.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* What the chart sets itself, and `settings` must not. */}}
{{- define "sfu.own" -}}
SFU_KEYS SFU_HOST SFU_PORT SFU_UDP_PORT SFU_TCP_PORT SFU_WORKERS SFU_ANNOUNCED_ADDRESSES SFU_INTERNAL_HOST SFU_INTERNAL_PORT SFU_TLS_CERT SFU_TLS_KEY SFU_STATE_DIR SFU_TURN_URLS SFU_TURN_SECRET SFU_DRAIN_LIMIT
{{- end -}}
