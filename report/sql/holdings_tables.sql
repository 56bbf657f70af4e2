-- The tables, with their engines and the zones of their days.
SELECT name, engine, extract(comment, 'time zone ([A-Za-z0-9_+/-]+)'), sipHash64(uuid)
FROM system.tables
WHERE database = currentDatabase() AND (name IN {tables:Array(String)} OR name IN ('daily_total', 'daily_host', 'daily_protocol', 'daily_host_protocol', 'daily_peer'))
SETTINGS max_threads = 1
