-- The best name of each address in a span but for the user's own: lease before DNS, then the
-- one seen last.
SELECT address, tupleElement(best, 1) AS name, tupleElement(best, 2) AS said_by, tupleElement(best, 3) AS first, tupleElement(best, 4) AS last
FROM
(
    SELECT address, argMin((name, toString(source), first, last), (source, -toInt64(toUnixTimestamp(last)))) AS best
    FROM
    (
        SELECT address, source, name, min(first_seen) AS first, max(last_seen) AS last
        FROM host_names
        WHERE source != 'own'
        GROUP BY address, source, name
        HAVING first < {to:DateTime('UTC')} AND last >= {from:DateTime('UTC')}
    )
    GROUP BY address
)
