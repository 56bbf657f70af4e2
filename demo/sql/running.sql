-- Seconds in which the ingest ran, by quarter hour: all but the given
-- stretches.
INSERT INTO demo_stage_ledger (bucket, exporter, event, count)
SELECT bucket, {exporter:IPv6}, 'running_seconds', ran
FROM
(
    SELECT
        toDateTime(number * 900, 'UTC') AS bucket,
        greatest(number * 900, toUnixTimestamp({from:DateTime('UTC')})) AS first,
        least(number * 900 + 900, toUnixTimestamp({until:DateTime('UTC')})) AS last,
        greatest(toInt64(last) - toInt64(first), 0) - arraySum((a, b) -> greatest(0,
            least(toInt64(toUnixTimestamp(b)), toInt64(last)) - greatest(toInt64(toUnixTimestamp(a)), toInt64(first))),
            {gap_starts:Array(DateTime('UTC'))}, {gap_ends:Array(DateTime('UTC'))}) AS ran
    FROM numbers(intDiv(toUnixTimestamp({from:DateTime('UTC')}), 900), intDiv(toUnixTimestamp({until:DateTime('UTC')}), 900) + 1 - intDiv(toUnixTimestamp({from:DateTime('UTC')}), 900))
)
WHERE ran > 0
