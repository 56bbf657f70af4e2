INSERT INTO addresses (address, mac, first_seen, last_seen)
SELECT host, host_mac, min(start), max(`end`)
FROM flows
WHERE exporter = {exporter:IPv6} AND host_mac != 0
GROUP BY host, host_mac
