SELECT t.name, any(t.comment), sum(p.rows) AS rows, sum(p.bytes_on_disk) AS bytes
FROM system.tables AS t
LEFT JOIN system.parts AS p ON p.database = t.database AND p.table = t.name AND p.active
WHERE t.database = currentDatabase() AND endsWith(t.engine, 'MergeTree') AND NOT startsWith(t.name, '.')
GROUP BY t.name
ORDER BY bytes DESC, t.name
