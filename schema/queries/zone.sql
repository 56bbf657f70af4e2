SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'daily_total_mv'
