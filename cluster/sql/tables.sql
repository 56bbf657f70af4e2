-- Each table of a database with its comment and its columns, as they are declared
-- over all shards: what a table computes from others of its columns is a column
-- like any other there, so that each shard computes it.
SELECT t.name, t.comment, t.engine, arrayStringConcat(c.declared, ', ')
FROM system.tables AS t
INNER JOIN
(
    SELECT table, groupArray(concat('`', name, '` ', type, if(comment = '', '', concat(' COMMENT ''', replaceAll(replaceAll(comment, '\\', '\\\\'), '''', '\\'''), '''')))) AS declared
    FROM
    (
        SELECT table, name, type, comment
        FROM system.columns
        WHERE database = {database:String}
        ORDER BY table, position
    )
    GROUP BY table
) AS c ON c.table = t.name
WHERE t.database = {database:String}
