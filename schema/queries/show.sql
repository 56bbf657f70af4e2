SELECT formatQuery(create_table_query)
FROM system.tables
WHERE database = currentDatabase() AND create_table_query != '' AND NOT startsWith(name, '.')
ORDER BY engine = 'Dictionary', engine = 'MaterializedView', name
