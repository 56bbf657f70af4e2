SELECT count() > 0
FROM (
    SELECT 1
    FROM flows AS u
    WHERE u.origin NOT IN ('import', 'demo')
        AND u.end >= toDateTime({start:UInt32}, 'UTC') AND u.end < toDateTime({end:UInt32}, 'UTC')
    LIMIT 1
)
