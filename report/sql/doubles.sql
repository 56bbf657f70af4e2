-- A meter is a tuple of exporter, in-interface, out-interface and direction. Of
-- each 5-tuple (of one in {every} of them) the records of a meter are one; those
-- that other meters saw at the same time with the same bytes, to 2 %, are copies.
SELECT
    arrayMap(c -> c.1, copies) AS exporters,
    arrayMap(c -> c.2, copies) AS in_ifs,
    arrayMap(c -> c.3, copies) AS out_ifs,
    arrayMap(c -> c.4, copies) AS observed,
    count() AS flows,
    sum(arrayMax(arrayMap(c -> c.5, copies))) AS once,
    sum(arraySum(arrayMap(c -> c.5, copies))) AS total,
    arrayMap(e -> e.2, groupArraySorted(3)((
        negate(toInt64(arrayMax(arrayMap(c -> c.5, copies)))),
        arrayStringConcat([
            toString(protocol), IPv6NumToString(src), toString(src_port_), IPv6NumToString(dst), toString(dst_port_),
            toString(intDiv(copies[1].6, 1000)), arrayStringConcat(arrayMap(c -> toString(c.5), copies), ',')
        ], ' ')
    ))) AS examples
FROM
(
    SELECT
        src, dst, src_port_, dst_port_, protocol,
        arraySort(groupArray((exporter, in_if, out_if, observation, octets, first_ms, last_ms))) AS seen,
        arrayFilter(a -> arrayExists(
            b -> (a.1, a.2, a.3, a.4) != (b.1, b.2, b.3, b.4)
                AND a.6 <= b.7 + 2000 AND b.6 <= a.7 + 2000
                AND greatest(a.5, b.5) - least(a.5, b.5) <= intDiv(greatest(a.5, b.5), 50),
            seen), seen) AS copied
    FROM
    (
        SELECT
            src_addr AS src, dst_addr AS dst, src_port AS src_port_, dst_port AS dst_port_, protocol,
            exporter, in_if, out_if, toUInt8(flow_direction) AS observation,
            sum(bytes) AS octets,
            min(toInt64(toUnixTimestamp(`end`)) * 1000 - duration_ms) AS first_ms,
            max(toInt64(toUnixTimestamp(`end`)) * 1000) AS last_ms
        FROM flows
        WHERE counted AND `end` >= toDateTime({start:UInt32}, 'UTC') AND `end` < toDateTime({end:UInt32}, 'UTC')
            AND cityHash64(src_addr, dst_addr, src_port, dst_port, protocol) % {every:UInt64} = 0
        GROUP BY src, dst, src_port_, dst_port_, protocol, exporter, in_if, out_if, observation
        HAVING octets > 0
    )
    GROUP BY src, dst, src_port_, dst_port_, protocol
)
ARRAY JOIN arrayConcat(
    if(empty(copied), [], [copied]),
    arrayMap(a -> [a], arrayFilter(a -> NOT has(copied, a), seen))
) AS copies
GROUP BY exporters, in_ifs, out_ifs, observed
ORDER BY total DESC
LIMIT 5000
SETTINGS max_execution_time = 10, max_memory_usage = 400000000, max_threads = 2
