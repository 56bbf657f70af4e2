WITH sumMap([if({series:Bool}, toUInt16({{day}}), 0)], [u.received + u.sent]) AS series
SELECT u.host, {{counters}}, toUInt16(max({{day}})), tupleElement(series, 1), tupleElement(series, 2)
FROM {{table}} AS u
WHERE {{where}}
GROUP BY u.host
