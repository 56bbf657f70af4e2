-- All names of an address; an empty own name only says that one was taken away.
SELECT name, toString(source) AS said_by, min(first_seen) AS first, max(last_seen) AS last
FROM host_names
WHERE address = {address:IPv6} AND name != ''
GROUP BY source, name
ORDER BY last DESC, source, name
LIMIT 1000
