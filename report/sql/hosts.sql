SELECT u.host, {{counters}}, toUInt16(max({{day}}))
FROM {{table}} AS u
WHERE {{where}}
GROUP BY u.host
HAVING {{something}}
ORDER BY u.host
