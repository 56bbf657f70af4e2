SELECT l.exporter, toUInt32(toUnixTimestamp(max(l.bucket)) + 900) AS last
FROM ledger AS l
WHERE l.event = 'records' AND l.count > 0 AND l.exporter != toIPv6('::')
    AND l.bucket >= toDateTime({since:UInt32}, 'UTC') AND l.bucket < toDateTime({now:UInt32}, 'UTC')
GROUP BY l.exporter
HAVING uniqExact(l.bucket) >= 4 AND last <= {until:UInt32}
    AND last < (SELECT toUnixTimestamp(max(bucket)) FROM ledger WHERE event = 'running_seconds')
ORDER BY l.exporter
LIMIT 20
