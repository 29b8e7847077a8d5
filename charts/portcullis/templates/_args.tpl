{{/* What serve is told. */}}
{{- define "portcullis.args" -}}
- serve
- --in-cluster
- --namespace=$(POD_NAMESPACE)
- --name={{ include "portcullis.fullname" . }}
- --replica=$(POD_NAME)
- --owner={{ include "portcullis.owner" . }}
- --service-account={{ include "portcullis.serviceAccount" . }}
- --listen=:8443
- --health-listen=:8081
- --cluster-policies
{{- with .Values.gatekeeper }}
{{- if .enabled }}
- --gatekeeper
- --gatekeeper-namespace={{ .namespace }}
{{- if .crds }}
- --gatekeeper-crds
{{- end }}
{{- end }}
- --gatekeeper-enforcement={{ .enforcement }}
{{- end }}
- --register
- --state-dir=/var/lib/portcullis/state
- --tls={{ .Values.tls.mode }}
- --tls-secret={{ include "portcullis.tlsSecret" . }}
{{- if eq .Values.tls.mode "cert-manager" }}
{{- with .Values.tls.certManager.issuerRef }}
- --tls-issuer={{ .kind | default "Issuer" }}.{{ .group | default "cert-manager.io" }}/{{ .name }}
{{- end }}
{{- end }}
{{- if or .Values.policies.library.names .Values.policies.library.bundles }}
- --policies=/etc/portcullis/policies
{{- end }}
{{- with .Values.webhook.failurePolicy }}
- --webhook-failure-policy={{ . }}
{{- end }}
{{- with .Values.webhook.timeoutSeconds.mutate }}
- --mutate-timeout={{ . }}s
{{- end }}
{{- with .Values.webhook.timeoutSeconds.validate }}
- --validate-timeout={{ . }}s
{{- end }}
{{- range .Values.webhook.exemptNamespaces }}
- --exempt-namespace={{ . }}
{{- end }}
{{- range .Values.webhook.matchConditions }}
- {{ printf "--webhook-match-condition=%s=%s" .name .expression | quote }}
{{- end }}
{{- range $key, $value := .Values.webhook.annotations }}
- {{ printf "--webhook-annotation=%s=%s" $key $value | quote }}
{{- end }}
{{- if .Values.audit.enabled }}
- --audit
- --audit-interval={{ .Values.audit.interval }}
- --audit-reports={{ .Values.audit.reports }}
{{- end }}
{{- if .Values.ui.enabled }}
- --ui
- --ui-listen=:10443
- --ui-advertise=$(POD_IP)
{{- end }}
{{- with .Values.decisionLog }}
{{- if .stdout }}
- --decision-log=-
{{- end }}
{{- if .file.enabled }}
- --decision-log=/var/log/portcullis/decisions.jsonl
- --decision-log-size={{ int64 .file.size }}
- --decision-log-files={{ .file.files }}
{{- with .file.age }}
- --decision-log-age={{ . }}
{{- end }}
{{- end }}
{{- if .http.url }}
- {{ printf "--decision-log-url=%s" .http.url | quote }}
{{- if .http.caSecretName }}
- --decision-log-url-ca=/etc/portcullis/decision-log-ca/ca.crt
{{- end }}
{{- if .http.tokenSecretName }}
- --decision-log-url-token=/etc/portcullis/decision-log-token/token
{{- end }}
{{- end }}
{{- if ne (float64 .allows) 1.0 }}
- --decision-log-allows={{ .allows }}
{{- end }}
{{- range .erase }}
- {{ printf "--decision-log-erase=%s" . | quote }}
{{- end }}
{{- if .events }}
- --audit-events
{{- end }}
{{- end }}
{{- if include "portcullis.memoryLimit" . }}
- --memory-limit=$(MEMORY_LIMIT)
{{- end }}
{{- if include "portcullis.clientCA" . }}
- --client-ca=/etc/portcullis/client-ca/ca.crt
{{- range .Values.clientCA.names }}
- {{ printf "--client-name=%s" . | quote }}
{{- end }}
{{- end }}
- --log-level={{ .Values.log.level }}
- --log-format={{ .Values.log.format }}
{{- end -}}
