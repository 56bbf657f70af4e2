-- The far ends with the most usage, each with the number and the sums of all.
SELECT
    e.peer, e.received, e.sent, e.internal, e.unmatched, e.packets, e.flows,
    count() OVER (),
    sum(e.received) OVER (), sum(e.sent) OVER (), sum(e.internal) OVER (), sum(e.unmatched) OVER (), sum(e.packets) OVER (), sum(e.flows) OVER ()
FROM
(
    WITH
        toUInt64(toUnixTimestamp(u.end)) * 1000 - u.duration_ms AS first_ms,
        toUInt64(greatest(u.duration_ms, 1)) AS span_ms,
        intDiv(first_ms, 900000) AS first_quarter,
        intDiv(first_ms + span_ms - 1, 900000) AS last_quarter,
        greatest(quarter * 900000, first_ms) - first_ms AS before_ms,
        least((quarter + 1) * 900000, first_ms + span_ms) - first_ms AS until_ms,
        intDiv(u.bytes, span_ms) * (until_ms - before_ms) + intDiv(u.bytes % span_ms * until_ms, span_ms) - intDiv(u.bytes % span_ms * before_ms, span_ms) AS octets,
        intDiv(u.packets, span_ms) * (until_ms - before_ms) + intDiv(u.packets % span_ms * until_ms, span_ms) - intDiv(u.packets % span_ms * before_ms, span_ms) AS pkts
    SELECT
        u.peer AS peer,
        sumIf(toUInt64(octets), u.direction = 'received') AS received,
        sumIf(toUInt64(octets), u.direction = 'sent') AS sent,
        sumIf(toUInt64(octets), u.direction = 'internal') AS internal,
        sumIf(toUInt64(octets), u.direction = 'unmatched') AS unmatched,
        sum(toUInt64(pkts)) AS packets,
        countIf(quarter = first_quarter) AS flows
    FROM flows AS u
    ARRAY JOIN range(greatest(first_quarter, intDiv({start:UInt32}, 900)), least(last_quarter + 1, intDiv({end:UInt32}, 900))) AS quarter
    WHERE u.counted AND {{where}}
    GROUP BY u.peer
) AS e
WHERE e.received + e.sent + e.internal + e.unmatched + e.packets + e.flows > 0
ORDER BY e.received + e.sent DESC, e.internal + e.unmatched DESC, e.peer
LIMIT {limit:UInt32}
