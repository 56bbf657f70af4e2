SELECT toUnixTimestamp(u.bucket) AS at, {{counters}}
FROM {{table}} AS u
WHERE {{where}}
GROUP BY at
