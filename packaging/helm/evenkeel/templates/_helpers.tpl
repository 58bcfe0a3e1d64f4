{{- define "evenkeel.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}{{ end }}{{ end }}
{{- end }}

{{- define "evenkeel.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "evenkeel.labels" -}}
{{ include "evenkeel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "evenkeel.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "evenkeel.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "evenkeel.scheme" -}}{{ if .Values.web.tls.secret }}https{{ else }}http{{ end }}{{- end }}

{{/* What the schema cannot say so that a person understands it. */}}
{{- define "evenkeel.validate" -}}
{{- $v := .Values }}
{{- if not $v.image.repository }}{{ fail "image.repository is not set: make the image with packaging/container/build, push it to your registry and say where it is" }}{{ end }}
{{- if not $v.config.hosts }}{{ fail "config.hosts is empty: name the hypervisors that the server looks after, each with its name, uri and exporter" }}{{ end }}
{{- if and (gt (int $v.replicas) 1) (ne $v.store.type "etcd") }}{{ fail (printf "replicas is %d and store.type is %s: files are of one server alone, and two that each have their own would both act; set store.type to etcd, or replicas to 1" (int $v.replicas) $v.store.type) }}{{ end }}
{{- if eq $v.store.type "files" }}
{{- if not $v.persistence.enabled }}{{ fail "persistence.enabled is false and store.type is files: the journal and the definitions of VMs would be gone with the pod; enable persistence, or set store.type to etcd" }}{{ end }}
{{- if $v.store.etcd.endpoints }}{{ fail "store.etcd.endpoints is set and store.type is files: set store.type to etcd, or leave out the endpoints" }}{{ end }}
{{- else }}
{{- if not $v.store.etcd.endpoints }}{{ fail "store.etcd.endpoints is empty: name etcd's nodes as HOST:PORT" }}{{ end }}
{{- if not $v.store.definitionsKeySecret }}{{ fail "store.definitionsKeySecret is not set: servers that share etcd need the same key of the definitions; make a Secret with the key definitions.key (values.yaml says how) and name it" }}{{ end }}
{{- end }}
{{- if and $v.store.etcd.tls.clientCertificate (not $v.store.etcd.tls.secret) }}{{ fail "store.etcd.tls.clientCertificate is true: name the Secret with tls.crt and tls.key in store.etcd.tls.secret" }}{{ end }}
{{- if and $v.store.etcd.user (not $v.store.etcd.passwordSecret) }}{{ fail "store.etcd.user is set: name the Secret with its password in store.etcd.passwordSecret" }}{{ end }}
{{- if and $v.exporter.enabled (not $v.exporter.image.repository) }}{{ fail "exporter.image.repository is not set: make the image with packaging/container/build, push it to your registry and say where it is" }}{{ end }}
{{- end }}

{{/* evenkeel.yml, with where the shared key is. */}}
{{- define "evenkeel.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if eq .Values.store.type "etcd" }}{{ $_ := mustMergeOverwrite $config (dict "failures" (dict "key_file" "definitions.key")) }}{{ end }}
{{- toYaml $config }}
{{- end }}
