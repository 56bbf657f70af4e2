SELECT extract(create_table_query, 'toDate\\(bucket, \'([^\']+)\'\\)')
FROM system.tables
WHERE database = currentDatabase() AND name = 'daily_total_mv'
