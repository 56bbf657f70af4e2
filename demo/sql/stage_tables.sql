SELECT name
FROM system.tables
WHERE database = currentDatabase() AND startsWith(name, 'demo_stage_')
