SELECT exporter, toString(event), sum(count)
FROM ledger
WHERE bucket >= toDateTime({from:Int64}, 'UTC')
GROUP BY exporter, event
