SELECT _part, countIf(exporter != {exporter:IPv6}) > 0
FROM {{table}}
GROUP BY _part
HAVING countIf(exporter = {exporter:IPv6}) > 0
