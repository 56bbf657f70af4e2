-- What the ingest would have counted of the staged flows of one chunk: about
-- 24 records a datagram, and now and then some that were lost on the way.
INSERT INTO demo_stage_ledger (bucket, exporter, event, count)
SELECT bucket, {exporter:IPv6}, tupleElement(item, 1), tupleElement(item, 2)
FROM
(
    SELECT
        toStartOfFifteenMinutes(`end` + delay) AS bucket,
        count() AS records,
        cityHash64(bucket, {seed:UInt64}) AS h
    FROM demo_stage_flows
    WHERE `end` >= {from:DateTime('UTC')} AND `end` < {to:DateTime('UTC')}
    GROUP BY bucket
)
ARRAY JOIN [
    ('records', records),
    ('datagrams', intDiv(records + 23, 24)),
    ('lost_records', if(h % 700 = 0, 1 + bitShiftRight(h, 32) % greatest(intDiv(records, 8), 8), 0))
] AS item
WHERE tupleElement(item, 2) > 0
