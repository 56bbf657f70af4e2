SELECT DISTINCT partition_id
FROM system.parts
WHERE database = currentDatabase() AND active AND table = ?
ORDER BY partition_id
