-- The own name in force of each address: the device's, found by address or by
-- the MAC last seen with the address; else the one given to the address itself.
SELECT address, argMin(name, rank) AS best
FROM
(
    SELECT arrayJoin(addresses) AS address, name, 1 AS rank
    FROM devices FINAL
    WHERE NOT deleted AND name != ''
    UNION ALL
    SELECT a.address, d.name, 2 AS rank
    FROM (SELECT address, argMax(mac, last_seen) AS mac FROM addresses GROUP BY address) AS a
    INNER JOIN (SELECT arrayJoin(macs) AS mac, name FROM devices FINAL WHERE NOT deleted AND name != '') AS d USING (mac)
    UNION ALL
    SELECT address, argMax(name, last_seen) AS name, 3 AS rank
    FROM host_names
    WHERE source = 'own'
    GROUP BY address
    HAVING name != ''
)
GROUP BY address
