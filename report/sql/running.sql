-- A row a day of UTC. One that ran through needs no list, so that years are few
-- rows.
SELECT
    toInt64(intDiv(at, 86400)) AS day,
    count() = 96 AND min(ran) >= 900 AS through,
    if(through, [], groupArray(at)),
    if(through, [], groupArray(ran))
FROM
(
    SELECT toUnixTimestamp(l.bucket) AS at, sum(l.count) AS ran
    FROM ledger AS l
    WHERE l.event = 'running_seconds' AND {{where}}
    GROUP BY l.bucket
)
GROUP BY day
