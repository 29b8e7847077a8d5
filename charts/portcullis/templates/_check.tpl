{{/* What a schema cannot say of the values, or not in a sentence. */}}
{{- define "portcullis.check" -}}
{{- include "portcullis.checkMemory" . -}}
{{- include "portcullis.checkArgs" . -}}
{{- include "portcullis.checkInventory" . -}}
{{- $policies := include "portcullis.libraryPolicies" . | fromYaml -}}
{{- range $name, $spec := .Values.policies.library.specs -}}
{{- if not (hasKey $policies $name) -}}
{{- fail (printf "policies.library.specs has %s, which neither policies.library.names nor policies.library.bundles puts in force; add it there, or leave it out here" $name) -}}
{{- end -}}
{{- end -}}
{{- $known := .Files.Get "files/library-parameters.yaml" | fromYaml -}}
{{- range $parameter, $_ := .Values.policies.library.parameters -}}
{{- $taken := false -}}
{{- range $name, $_ := $policies -}}
{{- $taken = or $taken (has $parameter ((get $known $name).parameters | default list)) -}}
{{- end -}}
{{- if not $taken -}}
{{- fail (printf "policies.library.parameters has %s, which no policy of policies.library.names or policies.library.bundles has; correct its spelling, or leave it out" $parameter) -}}
{{- end -}}
{{- end -}}
{{- range $value, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels -}}
{{- range $key, $_ := $labels -}}
{{- if has $key (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart") -}}
{{- fail (printf "%s has %s, which is the chart's own; choose another label" $value $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := .Values.podAnnotations -}}
{{- if hasPrefix "policies.portcullis.dev/" $key -}}
{{- fail (printf "podAnnotations has %s, which is the chart's own; policies of the library are put in force by policies.library.names" $key) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.gatekeeper.crds (not .Values.gatekeeper.enabled) -}}
{{- fail "gatekeeper.crds defines kinds that gatekeeper.enabled, which is false, would have read; set both, or neither" -}}
{{- end -}}
{{- $log := include "portcullis.decisionLog" . -}}
{{- with .Values.decisionLog -}}
{{- if and .stdout .file.enabled -}}
{{- fail "decisionLog.stdout and decisionLog.file.enabled name two places for one log; give one of them" -}}
{{- end -}}
{{- if and (not .http.url) (or .http.caSecretName .http.tokenSecretName) -}}
{{- fail "decisionLog.http.caSecretName and decisionLog.http.tokenSecretName need decisionLog.http.url" -}}
{{- end -}}
{{- if and (not $log) (or .events .erase (ne (float64 .allows) 1.0)) -}}
{{- fail "decisionLog.events, decisionLog.erase and decisionLog.allows need a place that decisions are written to: decisionLog.stdout, decisionLog.file.enabled or decisionLog.http.url" -}}
{{- end -}}
{{- if and .events (not (include "portcullis.clientCA" $)) -}}
{{- fail "decisionLog.events needs clientCA: whoever else could send events could write evidence" -}}
{{- end -}}
{{- end -}}
{{- with .Values.clientCA -}}
{{- if and .secretName .configMapName -}}
{{- fail "clientCA.secretName and clientCA.configMapName name two authorities; give one of them" -}}
{{- end -}}
{{- if and (or .secretName .configMapName) (not .names) -}}
{{- fail "clientCA needs clientCA.names: the names in the API server's certificate, or * for every certificate of that authority" -}}
{{- end -}}
{{- if and .names (not .secretName) (not .configMapName) -}}
{{- fail "clientCA.names needs clientCA.secretName or clientCA.configMapName: the authority by which the certificates of callers are checked" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Half of the memory is for reviews, of which the longest, 20 MiB, takes six times its bytes. */}}
{{- define "portcullis.checkMemory" -}}
{{- with include "portcullis.memoryLimit" . -}}
{{- $suffix := regexFind "([KMGTPE]i|[mkMGTPE])$" . -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- $bytes := mulf (trimSuffix $suffix . | float64) (get $units $suffix) -}}
{{- $asked := regexMatch "--(max-review-bytes|review-memory-bytes)[ =]" (join " " $.Values.extraArgs) -}}
{{- if and (lt $bytes 251658240.0) (not $asked) -}}
{{- fail (printf "resources.limits.memory %s has no room for the longest review; give at least 240Mi, or let only shorter ones in, by extraArgs with --max-review-bytes=BYTES" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a policy of the library reads, the server must be allowed to: without it, every request that the policy is about is refused. */}}
{{- define "portcullis.checkInventory" -}}
{{- if .Values.rbac.create -}}
{{- $library := .Values.policies.library -}}
{{- $reads := .Files.Get "files/library-data.yaml" | fromYaml -}}
{{- $given := list -}}
{{- range $rule := .Values.rbac.inventory -}}
{{- range $rule.resources -}}
{{- $given = append $given (trimSuffix "." (printf "%s.%s" . $rule.apiGroup)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := include "portcullis.libraryPolicies" . | fromYaml -}}
{{- $enforcement := dig "enforcement" $library.enforcement (get $library.specs $name | default dict) -}}
{{- range get $reads $name | default list -}}
{{- if and (ne $enforcement "off") (not (has . $given)) -}}
{{- $kind := splitn "." 2 . -}}
{{- fail (printf "the library's %s reads %s, which the server may not; add {apiGroup: %q, resources: [%s]} to rbac.inventory" $name . ($kind._1 | default "") $kind._0) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A flag given twice is taken from the second place, unless it may be repeated. */}}
{{- define "portcullis.checkArgs" -}}
{{- $own := list -}}
{{- range include "portcullis.args" . | fromYamlArray -}}
{{- $own = append $own (regexFind "^--[a-z0-9-]+" .) -}}
{{- end -}}
{{- $repeated := list "--policies" "--exempt-namespace" "--webhook-match-condition" "--webhook-annotation" "--client-name" "--decision-log-erase" -}}
{{- range .Values.extraArgs -}}
{{- $flag := regexFind "^--[a-z0-9-]+" . -}}
{{- if and $flag (has $flag $own) (not (has $flag $repeated)) -}}
{{- fail (printf "extraArgs has %s, which the chart sets; use the value that is for it" $flag) -}}
{{- end -}}
{{- end -}}
{{- end -}}
