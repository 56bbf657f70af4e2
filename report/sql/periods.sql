SELECT toUInt32(roundDown(toUnixTimestamp(u.bucket), {bounds:Array(UInt32)})) AS period, {{counters}}
FROM {{table}} AS u
WHERE {{where}}
GROUP BY period
