SELECT toUnixTimestamp(l.bucket) AS at, sum(l.count)
FROM ledger AS l
WHERE l.event = 'running_seconds' AND {{where}}
GROUP BY at
