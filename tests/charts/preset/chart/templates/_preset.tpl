{{- define "preset" -}}
{{- $all := dict "small" (dict "requests" (dict "cpu" "100m" "memory" "128Mi" "ephemeral-storage" "50Mi") "limits" (dict "cpu" "150m" "memory" "192Mi" "ephemeral-storage" "2Gi")) -}}
{{- index $all . | toYaml -}}
{{- end -}}
