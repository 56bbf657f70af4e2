SELECT DISTINCT toUnixTimestamp(l.bucket) AS at
FROM ledger AS l
WHERE l.event = 'datagrams' AND l.count > 0 AND {{where}}
