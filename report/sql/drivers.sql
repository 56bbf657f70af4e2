SELECT u.host, sumIf(u.received, NOT {{exempt}}), sumIf(u.sent, NOT {{exempt}})
FROM {{table}} AS u
WHERE {{where}} AND u.host != toIPv6('::')
GROUP BY u.host
ORDER BY u.host
