SELECT
    toUInt32(roundDown(toUnixTimestamp(u.bucket), {bounds:Array(UInt32)})) AS period, {{counters}},
    sumIf(u.received, {{exempt}}), sumIf(u.sent, {{exempt}})
FROM {{table}} AS u
WHERE {{where}}
GROUP BY period
