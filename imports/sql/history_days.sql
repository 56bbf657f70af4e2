WITH
    (SELECT toTimeZone(min(start), {zone:String}) FROM {{stage}}) AS first,
    (SELECT toTimeZone(max(`end`), {zone:String}) FROM {{stage}}) AS last
SELECT toString(day) AS date
FROM daily_total
WHERE has({exporters:Array(IPv6)}, exporter) AND day BETWEEN toDate(first) AND toDate(last)
    AND day IN (
        SELECT arrayJoin(arrayMap(i -> toDate(start, {zone:String}) + i, range(toUInt32(1 + toDate(`end`, {zone:String}) - toDate(start, {zone:String})))))
        FROM {{stage}}
        WHERE counted
    )
GROUP BY day
HAVING sum(received + sent) > 0
ORDER BY day
