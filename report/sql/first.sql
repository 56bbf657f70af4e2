SELECT count() > 0, toUnixTimestamp(min(u.bucket))
FROM {{table}} AS u
WHERE {{where}}
