SELECT l.exporter, toString(l.event), sum(l.count)
FROM ledger AS l
WHERE {{where}}
GROUP BY l.exporter, l.event
