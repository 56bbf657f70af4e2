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
    u.peer,
    sumIf(toUInt64(octets), u.direction = 'received'),
    sumIf(toUInt64(octets), u.direction = 'sent'),
    sumIf(toUInt64(octets), u.direction = 'internal'),
    sumIf(toUInt64(octets), u.direction = 'unmatched'),
    sum(toUInt64(pkts)),
    countIf(quarter = first_quarter)
FROM flows AS u
ARRAY JOIN range(greatest(first_quarter, intDiv({start:UInt32}, 900)), least(last_quarter + 1, intDiv({end:UInt32}, 900))) AS quarter
WHERE u.counted AND {{where}}
GROUP BY u.peer
