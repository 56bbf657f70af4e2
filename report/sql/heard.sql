SELECT l.exporter, toUnixTimestamp(l.bucket) AS at
FROM ledger AS l
WHERE l.event = 'datagrams' AND l.count > 0 AND {{where}}
GROUP BY l.exporter, at
ORDER BY l.exporter, at
