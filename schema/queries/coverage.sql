WITH
    (SELECT min(`end`) FROM {{.Flows}}) AS oldest,
    (SELECT min(`end`) FROM {{.Flows}} WHERE counted) AS oldest_counted
SELECT
    (SELECT count() FROM {{.Flows}}) AS flows,
    toDateTime(toStartOfMonth(oldest), 'UTC') AS month,
    (SELECT intDiv(minOrNull(toInt64(toUnixTimestamp(`end`)) * 1000 - duration_ms), 900000) * 900 FROM {{.Flows}} WHERE counted AND `end` < oldest_counted + INTERVAL 8 DAY) AS first_raw,
    (SELECT count() FROM {{.Usage}}) AS buckets,
    (SELECT toInt64(toUnixTimestamp(min(bucket))) FROM {{.Usage}}) AS first_bucket,
    (SELECT toDateTime(toStartOfMonth(min(bucket)), 'UTC') FROM {{.Usage}}) AS bucket_month,
    (SELECT count() FROM daily_total) AS days,
    (SELECT min(day) FROM daily_total) AS first_day
