-- Which address was seen with which MAC, and whether the address is a router's.
SELECT address, mac, max(leased) > 0, max(address IN (SELECT exporter FROM exporter_state)) > 0, toUnixTimestamp(min(first_seen)), toUnixTimestamp(max(last_seen))
FROM addresses
WHERE mac != 0
GROUP BY address, mac
ORDER BY address, mac
