SELECT toUnixTimestamp(l.bucket)
FROM ledger AS l
WHERE l.event = 'running_seconds'
ORDER BY l.bucket
LIMIT 1
