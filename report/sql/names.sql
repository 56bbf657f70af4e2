SELECT name, toString(source), min(n.first_seen), max(n.last_seen)
FROM host_names AS n
WHERE n.address = {host:IPv6}
GROUP BY name, source
ORDER BY max(n.last_seen) DESC, source, name
