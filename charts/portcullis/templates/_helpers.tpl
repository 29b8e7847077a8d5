{{/* The name of everything. */}}
{{- define "portcullis.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What finds the Pods that serve, and no others of the release. */}}
{{- define "portcullis.serverLabels" -}}
{{ include "portcullis.selectorLabels" . }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "portcullis.labels" -}}
{{ include "portcullis.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of every object, a component, and labels of the user's, as a list of root, component and labels. */}}
{{- define "portcullis.labelsAnd" -}}
{{- $component := dict -}}
{{- with index . 1 }}{{- $component = dict "app.kubernetes.io/component" . }}{{- end -}}
{{- toYaml (merge $component (deepCopy (index . 2)) (include "portcullis.labels" (index . 0) | fromYaml)) -}}
{{- end -}}

{{- define "portcullis.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "portcullis.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The ClusterRole with which vanishes what the server makes in the cluster: the same whoever makes the roles, so that nothing vanishes when
that changes, or when they are made anew. */}}
{{- define "portcullis.owner" -}}
{{- include "portcullis.fullname" . }}-owner
{{- end -}}

{{- define "portcullis.image" -}}
{{- $image := .Values.image -}}
{{- $name := ternary (printf "%s/%s" $image.registry $image.repository) $image.repository (ne $image.registry "") -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "portcullis.fullname" .)) -}}
{{- end -}}

{{- define "portcullis.memoryLimit" -}}
{{- dig "limits" "memory" "" .Values.resources -}}
{{- end -}}

{{- define "portcullis.clientCA" -}}
{{- .Values.clientCA.secretName | default .Values.clientCA.configMapName -}}
{{- end -}}

{{/* Where decisions are written to; empty if nowhere. */}}
{{- define "portcullis.decisionLog" -}}
{{- with .Values.decisionLog -}}
{{- if .stdout }}stdout{{ end -}}
{{- if .file.enabled }}file{{ end -}}
{{- if .http.url }}http{{ end -}}
{{- end -}}
{{- end -}}

{{/* The policies of the library to put in force, by their own names or those of bundles, each with the version of Kubernetes it is for, or none. */}}
{{- define "portcullis.libraryPolicies" -}}
{{- $bundles := .Files.Get "files/library-bundles.yaml" | fromYaml -}}
{{- $policies := dict -}}
{{- $by := dict -}}
{{- range .Values.policies.library.names -}}
{{- $_ := set $policies . "" -}}
{{- end -}}
{{- range $bundle := .Values.policies.library.bundles -}}
{{- $name := splitList "@" $bundle -}}
{{- $version := without (rest $name) "latest" | first | default "" -}}
{{- range $policy, $in := get $bundles (first $name) -}}
{{- $asked := ternary $version "" ($in.versioned | default false) -}}
{{- if and (hasKey $by $policy) (ne (get $policies $policy) $asked) -}}
{{- fail (printf "policies.library.bundles: %s and %s have the policy %s, for different versions; give both the same one" (get $by $policy) $bundle $policy) -}}
{{- end -}}
{{- $_ := set $policies $policy $asked -}}
{{- $_ := set $by $policy $bundle -}}
{{- end -}}
{{- end -}}
{{- toYaml $policies -}}
{{- end -}}

{{/* The policies of the library as documents, each an annotation. */}}
{{- define "portcullis.library" -}}
{{- $library := .Values.policies.library -}}
{{- $known := .Files.Get "files/library-parameters.yaml" | fromYaml -}}
{{- range $name, $version := include "portcullis.libraryPolicies" . | fromYaml }}
{{- $spec := merge (dict "use" $name) (deepCopy (get $library.specs $name | default dict)) }}
{{- $has := get $known $name }}
{{- $given := dict }}
{{- range $parameter, $value := $library.parameters }}
{{- if has $parameter ($has.parameters | default list) }}
{{- $_ := set $given $parameter (get ($spec.parameters | default dict) $parameter | default $value | deepCopy) }}
{{- end }}
{{- end }}
{{- $spec = merge $spec (dict "parameters" $given) }}
{{- with $given.podTemplates }}
{{- $resources := concat $has.resources (keys . | sortAlpha) | uniq }}
{{- $spec = merge $spec (dict "match" (dict "resources" $resources)) }}
{{- end }}
{{- with $library.enforcement }}
{{- $spec = merge $spec (dict "enforcement" .) }}
{{- end }}
{{- with $version }}
{{- $spec = merge $spec (dict "parameters" (dict "version" .)) }}
{{- end }}
policies.portcullis.dev/{{ $name }}: |
  {{- toYaml (dict "apiVersion" "portcullis.dev/v1alpha1" "kind" "Policy" "metadata" (dict "name" (replace "_" "-" $name)) "spec" $spec) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What the restricted Pod Security level asks of a Pod and of a container. */}}
{{- define "portcullis.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "portcullis.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* How long the Pod of a hook may take, with its image to pull: less than Helm waits, which then says what became of it. */}}
{{- define "portcullis.hookSeconds" -}}
280
{{- end -}}

{{/* The Pods of hooks run on the nodes that the server may run on. How its Pods keep apart from each other and from others is not for them. */}}
{{- define "portcullis.hookScheduling" -}}
{{- with .Values.priorityClassName -}}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity.nodeAffinity }}
affinity:
  nodeAffinity: {{- toYaml . | nindent 4 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The metadata of a hook's Pod, as a list of root and component: the user's labels and annotations, as policies and quotas may want them. A
sidecar that is injected would not end with the command, and so nor would the Pod. */}}
{{- define "portcullis.hookMeta" -}}
{{- $root := index . 0 -}}
name: {{ include "portcullis.fullname" $root }}-{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels: {{- include "portcullis.labelsAnd" (list $root (index . 1) (merge (dict "sidecar.istio.io/inject" "false") $root.Values.podLabels)) | nindent 2 }}
annotations:
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
  {{- toYaml (merge (dict "sidecar.istio.io/inject" "false" "linkerd.io/inject" "disabled") $root.Values.podAnnotations) | nindent 2 }}
{{- end -}}

{{/* What a command needs that asks the API server a few questions. */}}
{{- define "portcullis.hookResources" -}}
requests: {cpu: 10m, memory: 64Mi}
limits: {memory: 256Mi}
{{- end -}}

{{/* What lets a process know who it is. */}}
{{- define "portcullis.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- if .Values.ui.enabled }}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- end }}
{{- end -}}
