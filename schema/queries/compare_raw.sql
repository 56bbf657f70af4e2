SELECT
    toDate(bucket, '{{.Zone}}') AS day,
    exporter,
    [
        {{- range .Counters}}
        sumIf(toUInt64({{.Value}}), direction = '{{.Direction}}'),
        {{- end}}
        {{- range $i, $r := .Rollups}}
        {{- if $i}},{{end}}
        {{- if $r.ByDirection}}
        sum((toUInt64(octets) + 11400714819323198485 * toUInt64(pkts) + 14029467366897019727 * toUInt64(starts)) * cityHash64({{$r.Keys}}, toUInt8(direction)))
        {{- else}}
        sum(toUInt64(octets) * cityHash64({{$r.Keys}}, toUInt8(direction)) + (11400714819323198485 * toUInt64(pkts) + 14029467366897019727 * toUInt64(starts)) * cityHash64({{$r.Keys}}, toUInt8(0)))
        {{- end}}
        {{- end}}
    ] AS sums
FROM ({{.Spread}})
WHERE day BETWEEN {first:Date} AND {last:Date}
GROUP BY day, exporter
