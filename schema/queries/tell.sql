[{{join .Low ", "}}] AS low,
    [{{join .High ", "}}] AS high,
    arrayExists((l, h) -> src >= l AND src <= h, low, high) AS src_local,
    arrayExists((l, h) -> dst >= l AND dst <= h, low, high) AS dst_local,
    (dst >= toIPv6('::ffff:224.0.0.0') AND dst <= toIPv6('::ffff:239.255.255.255'))
        OR dst >= toIPv6('ff00::')
        OR dst = toIPv6('::ffff:255.255.255.255')
        OR (dst >= toIPv6('::ffff:169.254.0.0') AND dst <= toIPv6('::ffff:169.254.255.255'))
        OR (dst >= toIPv6('fe80::') AND dst <= toIPv6('febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff')) AS dst_near,
    multiIf(src_local AND (dst_local OR dst_near), 'internal', src_local, 'sent', dst_local, 'received', 'unmatched') AS told,
    {{if .Counting}}multiIf({{range .Counting}}exporter = toIPv6('{{.Exporter}}'), {{.Condition}}, {{end}}true){{else}}true{{end}} AS counts
