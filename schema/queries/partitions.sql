SELECT DISTINCT partition_id
FROM system.parts
WHERE database = currentDatabase() AND table = ? AND active
ORDER BY partition_id
