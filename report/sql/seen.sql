SELECT u.host, toUnixTimestamp(max(u.bucket))
FROM {{table}} AS u
WHERE {{where}}
GROUP BY u.host
