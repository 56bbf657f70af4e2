SELECT t.name
FROM system.tables AS t
INNER JOIN system.columns AS c ON c.database = t.database AND c.table = t.name
WHERE t.database = currentDatabase() AND c.name = 'exporter' AND c.default_kind != 'ALIAS' AND endsWith(t.engine, 'MergeTree')
ORDER BY t.name
