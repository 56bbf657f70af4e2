SELECT
    {{if .Bucket}}toDate(bucket, '{{.Zone}}') AS day{{else}}day{{end}},
    exporter,
    [
        {{- range .Counters}}
        sum({{.}}),
        {{- end}}
        {{- range $i, $d := .Directions}}
        {{- if $i}} +{{end}}
        {{- if $.ByDirection}}
        sum(({{$d}} + 11400714819323198485 * {{$d}}_packets + 14029467366897019727 * {{$d}}_flows) * cityHash64({{$.Keys}}, toUInt8({{inc $i}})))
        {{- else}}
        sum({{$d}} * cityHash64({{$.Keys}}, toUInt8({{inc $i}})))
        {{- end}}
        {{- end}}
        {{- if not .ByDirection}} +
        sum((11400714819323198485 * packets + 14029467366897019727 * flows) * cityHash64({{.Keys}}, toUInt8(0)))
        {{- end}}
    ] AS sums
FROM {{.Table}}
WHERE {{if .Bucket}}bucket BETWEEN toDateTime({first:Date}, 'UTC') - INTERVAL 1 DAY AND toDateTime({last:Date}, 'UTC') + INTERVAL 2 DAY AND toDate(bucket, '{{.Zone}}'){{else}}day{{end}} BETWEEN {first:Date} AND {last:Date}
GROUP BY day, exporter
