WITH
    (SELECT min(`end`) FROM flows) AS oldest,
    -- In the order of the table, so that it ends with the first day that has any.
    (SELECT toDate(`end`) FROM flows WHERE counted AND ({days:UInt8} > 7 OR toDate(`end`) <= toDate(oldest) + {days:UInt8}) ORDER BY toDate(`end`) LIMIT 1) AS first_counted,
    (SELECT min(`end`) FROM flows WHERE counted AND toDate(`end`) = first_counted) AS oldest_counted
SELECT
    (SELECT count() FROM flows) AS flows,
    toDateTime(toStartOfMonth(oldest), 'UTC') AS month,
    (SELECT intDiv(minOrNull(toInt64(toUnixTimestamp(`end`)) * 1000 - duration_ms), 900000) * 900 FROM flows WHERE counted AND `end` < oldest_counted + toIntervalDay({days:UInt8})) AS first_raw,
    (SELECT count() FROM usage_15m) AS buckets,
    (SELECT toInt64(toUnixTimestamp(min(bucket))) FROM usage_15m) AS first_bucket,
    (SELECT toDateTime(toStartOfMonth(min(bucket)), 'UTC') FROM usage_15m) AS bucket_month,
    (SELECT count() FROM daily_total) AS days,
    (SELECT min(day) FROM daily_total) AS first_day
