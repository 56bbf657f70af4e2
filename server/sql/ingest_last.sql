SELECT max(bucket) FROM ledger
WHERE event = 'running_seconds' AND bucket >= toDateTime({from:Int64}, 'UTC')
