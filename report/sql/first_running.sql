SELECT count() > 0, toUnixTimestamp(min(l.bucket))
FROM ledger AS l
WHERE l.event = 'running_seconds'
