SELECT arrayJoin(extractAll(create_table_query, 'CONSTRAINT `?(paused_[0-9]+)`? CHECK'))
FROM system.tables
WHERE database = currentDatabase() AND name = 'flows'
