SELECT name, toString(source), min(n.first_seen), max(n.last_seen)
FROM host_names AS n
WHERE n.address IN {hosts:Array(IPv6)} AND name != ''
GROUP BY name, source
ORDER BY max(n.last_seen) DESC, source, name
