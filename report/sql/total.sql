SELECT {{counters}}
FROM {{table}} AS u
WHERE {{where}}
