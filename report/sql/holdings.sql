-- The tables, with their engines and the zones of their days, and for each of
-- their partitions a mark of the parts that it is made of. A part never changes:
-- other rows are other parts, and no two of a table have the same name, time of
-- writing, rows and size.
SELECT name AS table, true AS whole, engine AS partition, extract(comment, 'time zone ([A-Za-z0-9_+/-]+)') AS zone, sipHash64(uuid) AS mark
FROM system.tables
WHERE database = currentDatabase() AND (name IN {tables:Array(String)} OR name IN ('daily_total', 'daily_host', 'daily_protocol', 'daily_host_protocol', 'daily_peer'))
UNION ALL
SELECT table, false, partition_id, '', groupBitXor(sipHash64(name, modification_time, rows, bytes_on_disk))
FROM system.parts
WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)}
GROUP BY table, partition_id
