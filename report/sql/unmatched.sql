SELECT
    min(least(p.1, p.2)) AS low,
    max(greatest(p.1, p.2)) AS high,
    sum(f.octets) AS total,
    sum(f.pkts),
    sum(f.records),
    max(f.seen),
    toUInt64(count() OVER ())
FROM
(
    SELECT
        u.peer AS one,
        u.unmatched_dst AS other,
        sum(toUInt64(octets)) AS octets,
        sum(toUInt64(pkts)) AS pkts,
        countIf(quarter = first_quarter) AS records,
        max(u.end) AS seen,
        tupleElement(IPv6CIDRToRange(one, if(one >= toIPv6('::ffff:0.0.0.0') AND one <= toIPv6('::ffff:255.255.255.255'), 120, 48)), 1) AS range_of_one,
        tupleElement(IPv6CIDRToRange(other, if(other >= toIPv6('::ffff:0.0.0.0') AND other <= toIPv6('::ffff:255.255.255.255'), 120, 48)), 1) AS range_of_other
    FROM
    (
        WITH
            toUInt64(toUnixTimestamp(u.end)) * 1000 - u.duration_ms AS first_ms,
            toUInt64(greatest(u.duration_ms, 1)) AS span_ms,
            intDiv(first_ms, 900000) AS first_quarter,
            intDiv(first_ms + span_ms - 1, 900000) AS last_quarter,
            greatest(quarter * 900000, first_ms) - first_ms AS before_ms,
            least((quarter + 1) * 900000, first_ms + span_ms) - first_ms AS until_ms
        SELECT
            u.peer, u.unmatched_dst, u.end, quarter, first_quarter,
            intDiv(u.bytes, span_ms) * (until_ms - before_ms) + intDiv(u.bytes % span_ms * until_ms, span_ms) - intDiv(u.bytes % span_ms * before_ms, span_ms) AS octets,
            intDiv(u.packets, span_ms) * (until_ms - before_ms) + intDiv(u.packets % span_ms * until_ms, span_ms) - intDiv(u.packets % span_ms * before_ms, span_ms) AS pkts
        FROM flows AS u
        ARRAY JOIN range(greatest(first_quarter, intDiv({start:UInt32}, 900)), least(last_quarter + 1, intDiv({end:UInt32}, 900))) AS quarter
        WHERE u.counted AND {{where}}
    ) AS u
    GROUP BY one, other
) AS f
ARRAY JOIN if(f.range_of_one = f.range_of_other, [(f.one, f.other, f.range_of_one)], [(f.one, f.one, f.range_of_one), (f.other, f.other, f.range_of_other)]) AS p
GROUP BY p.3
ORDER BY total DESC, p.3
LIMIT 1000
