SELECT name
FROM system.tables
WHERE database = currentDatabase()
    AND (startsWith(name, 'next_') OR startsWith(name, 'copy_') OR startsWith(name, 'kept_') OR startsWith(name, 'repair_'))
ORDER BY engine = 'MaterializedView' DESC, name = 'next_swap', name
