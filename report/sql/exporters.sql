SELECT u.exporter, {{counters}}
FROM {{table}} AS u
WHERE {{where}}
GROUP BY u.exporter
