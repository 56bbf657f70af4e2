-- The local days of imported daily histories.
SELECT toString(day) AS date
FROM daily_total
WHERE has({exporters:Array(IPv6)}, exporter)
GROUP BY day
HAVING sum(received + sent) > 0
ORDER BY day
