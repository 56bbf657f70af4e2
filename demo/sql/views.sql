SELECT name, create_table_query, as_select
FROM system.tables
WHERE database = currentDatabase() AND engine = 'MaterializedView'
ORDER BY name
