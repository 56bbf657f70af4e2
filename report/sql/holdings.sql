-- The tables, with their engines and the zones of their days, and the parts that
-- they are made of. A part never changes: other rows are other parts.
SELECT name AS table, true AS whole, engine AS partition, extract(comment, 'time zone ([A-Za-z0-9_+/-]+)') AS text, '' AS hash
FROM system.tables
WHERE database = currentDatabase() AND (name IN {tables:Array(String)} OR name IN ('daily_total', 'daily_host', 'daily_protocol', 'daily_host_protocol', 'daily_peer'))
UNION ALL
SELECT table, false, partition_id, name, hash_of_all_files
FROM system.parts
WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)}
