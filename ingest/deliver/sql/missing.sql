-- Rows of a batch, put aside in {table}, that flows has fewer of, however they are told.
SELECT toUInt64(count()) AS missing
FROM (
    SELECT row_hash
    FROM (
        SELECT cityHash64({identity}) AS row_hash, 1 AS sent, 0 AS stored
        FROM {table}
        UNION ALL
        SELECT cityHash64({identity}) AS row_hash, 0 AS sent, 1 AS stored
        FROM flows
        WHERE `end` BETWEEN (SELECT min(`end`) FROM {table}) AND (SELECT max(`end`) FROM {table})
          AND row_hash IN (SELECT cityHash64({identity}) FROM {table})
    )
    GROUP BY row_hash
    HAVING sum(stored) < sum(sent)
)
