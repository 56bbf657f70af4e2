SELECT name
FROM system.tables
WHERE database = currentDatabase() AND engine = 'MaterializedView' AND startsWith(name, 'next_')
ORDER BY name
