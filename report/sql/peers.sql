SELECT u.peer, {{counters}}
FROM {{table}} AS u
WHERE {{where}}
GROUP BY u.peer
