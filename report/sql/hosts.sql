SELECT
    u.host, {{counters}},
    toUInt16(max({{day}})) AS last,
    sumMap([if({series:Bool}, toUInt16({{day}}), 0)], [u.received + u.sent]) AS series,
    series.1, series.2
FROM {{table}} AS u
WHERE {{where}}
GROUP BY u.host
