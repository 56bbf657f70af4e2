SELECT exporter, sum(received), sum(sent), sum(internal), sum(unmatched)
FROM usage_15m
WHERE bucket >= toDateTime({from:Int64}, 'UTC')
GROUP BY exporter
