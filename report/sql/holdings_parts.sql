-- A mark of each part, and the days of its rows where its partition is made of
-- them. A part never changes: other rows are other parts, and no two of a table
-- have the same name, time of writing, rows and size.
SELECT
    table, sipHash64(name, modification_time, rows, bytes_on_disk),
    toUInt16(if(toUnixTimestamp(max_time) = 0, min_date, toDate(min_time, 'UTC'))),
    toUInt16(if(toUnixTimestamp(max_time) = 0, max_date, toDate(max_time, 'UTC')))
FROM system.parts
WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)}
SETTINGS max_threads = 1
