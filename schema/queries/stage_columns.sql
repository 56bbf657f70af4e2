SELECT concat('`', name, '`')
FROM system.columns
WHERE database = currentDatabase() AND table = ? AND default_kind != 'ALIAS' AND name != 'import'
ORDER BY position
