SELECT exporter, count() AS flows, max(received_at)
FROM flows
WHERE `end` >= toDateTime({from:Int64}, 'UTC')
GROUP BY exporter
ORDER BY flows DESC, exporter
LIMIT 10
