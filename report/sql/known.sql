SELECT DISTINCT u.host
FROM {{table}} AS u
WHERE {{where}}
