SELECT toBool(count() > 0)
FROM raw_drops AS r
WHERE toUnixTimestamp(toDateTime(addMonths(r.month, 1), 'UTC')) > {start:UInt32}
    AND toInt64(toUnixTimestamp(toDateTime(r.month, 'UTC'))) < toInt64({end:UInt32}) + 604800
