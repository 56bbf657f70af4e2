SELECT
    toUInt16({{day}}) AS number, {{counters}},
    sumIf(u.received, {{exempt}}), sumIf(u.sent, {{exempt}})
FROM {{table}} AS u
WHERE {{where}}
GROUP BY number
