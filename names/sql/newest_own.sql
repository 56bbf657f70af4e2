SELECT max(last_seen)
FROM host_names
WHERE address = {address:IPv6} AND source = 'own'
