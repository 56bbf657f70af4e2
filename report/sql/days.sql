SELECT toUInt16({{day}}) AS number, {{counters}}
FROM {{table}} AS u
WHERE {{where}}
GROUP BY number
