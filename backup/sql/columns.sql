SELECT name, type
FROM system.columns
WHERE database = currentDatabase() AND table = ? AND default_kind IN ('', 'DEFAULT')
ORDER BY position
