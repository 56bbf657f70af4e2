-- A row an exporter and day of UTC. A day on which it was heard all the time
-- needs no list, so that years are few rows.
SELECT
    exporter,
    toInt64(intDiv(at, 86400)) AS day,
    uniqExact(at) = 96 AS through,
    if(through, [], arraySort(groupUniqArray(at)))
FROM
(
    SELECT l.exporter AS exporter, toUnixTimestamp(l.bucket) AS at
    FROM ledger AS l
    WHERE l.event = 'datagrams' AND l.count > 0 AND {{where}}
)
GROUP BY exporter, day
ORDER BY exporter, day
