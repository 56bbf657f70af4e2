SELECT u.protocol, u.service, {{counters}}
FROM {{table}} AS u
WHERE {{where}}
GROUP BY u.protocol, u.service
HAVING {{something}}
