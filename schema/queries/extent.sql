SELECT
    {{- if .Bucket}}
    count(), toDate(toTimeZone(min(bucket), '{{.Zone}}')), toDate(toTimeZone(max(bucket), '{{.Zone}}'))
    {{- else}}
    count(), min(day), max(day)
    {{- end}}
FROM {{.Table}}
