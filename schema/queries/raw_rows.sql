SELECT table, partition_id, sum(rows)
FROM system.parts
WHERE database = currentDatabase() AND table IN ('flows', 'copy_flows', 'next_flows') AND active
GROUP BY table, partition_id
