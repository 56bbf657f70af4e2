SELECT u.exporter, sum(u.received + u.sent)
FROM {{table}} AS u
WHERE {{where}} AND u.exporter IN (toIPv6('2001:db8:f1a7::a'), toIPv6('2001:db8:f1a7::b'))
GROUP BY u.exporter
ORDER BY u.exporter
