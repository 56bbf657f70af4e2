CREATE MATERIALIZED VIEW IF NOT EXISTS daily_peer_mv TO daily_peer AS
WITH
    toUInt64(toUnixTimestamp(`end`)) * 1000 - duration_ms AS first_ms,
    toUInt64(greatest(duration_ms, 1)) AS span_ms,
    intDiv(first_ms, 900000) AS first_quarter,
    intDiv(first_ms + span_ms - 1, 900000) AS last_quarter,
    greatest(quarter * 900000, first_ms) - first_ms AS before_ms,
    least((quarter + 1) * 900000, first_ms + span_ms) - first_ms AS until_ms,
    intDiv(bytes, span_ms) * (until_ms - before_ms) + intDiv(bytes % span_ms * until_ms, span_ms) - intDiv(bytes % span_ms * before_ms, span_ms) AS octets,
    intDiv(packets, span_ms) * (until_ms - before_ms) + intDiv(packets % span_ms * until_ms, span_ms) - intDiv(packets % span_ms * before_ms, span_ms) AS pkts,
    quarter = first_quarter AS starts
SELECT
    toDate(toDateTime(quarter * 900, 'UTC'), '{zone}') AS day,
    exporter, host, peer,
    sumIf(octets, direction = 'received') AS received,
    sumIf(octets, direction = 'sent') AS sent,
    sumIf(octets, direction = 'internal') AS internal,
    sumIf(octets, direction = 'unmatched') AS unmatched,
    sum(pkts) AS packets,
    countIf(starts) AS flows
FROM flows
ARRAY JOIN range(first_quarter, last_quarter + 1) AS quarter
WHERE counted
GROUP BY day, exporter, host, peer
