-- The newest name of each address from each foreign source, of the last 30 days.
SELECT address, source, argMax(name, last) AS newest, max(last) AS newest_seen
FROM
(
    SELECT address, toString(source) AS source, name, max(last_seen) AS last
    FROM host_names
    WHERE host_names.source != 'own' AND last_seen > now() - INTERVAL 30 DAY
    GROUP BY address, source, name
)
GROUP BY address, source
ORDER BY newest_seen DESC
LIMIT 50000
