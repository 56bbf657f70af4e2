-- The far ends with the most usage, each with the number and the sums of all.
SELECT
    e.peer, e.received, e.sent, e.internal, e.unmatched, e.packets, e.flows,
    count() OVER (),
    sum(e.received) OVER (), sum(e.sent) OVER (), sum(e.internal) OVER (), sum(e.unmatched) OVER (), sum(e.packets) OVER (), sum(e.flows) OVER ()
FROM
(
    SELECT
        u.peer AS peer, sum(u.received) AS received, sum(u.sent) AS sent, sum(u.internal) AS internal,
        sum(u.unmatched) AS unmatched, sum(u.packets) AS packets, sum(u.flows) AS flows
    FROM {{table}} AS u
    WHERE {{where}}
    GROUP BY u.peer
) AS e
WHERE e.received + e.sent + e.internal + e.unmatched + e.packets + e.flows > 0
ORDER BY e.received + e.sent DESC, e.internal + e.unmatched DESC, e.peer
LIMIT {limit:UInt32}
