-- A mark of each part. A part never changes: other rows are other parts, and no
-- two of a table have the same name, time of writing, rows and size.
SELECT table, partition_id, sipHash64(name, modification_time, rows, bytes_on_disk)
FROM system.parts
WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)}
SETTINGS max_threads = 1
