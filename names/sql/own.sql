-- The name the user gave to each address itself.
SELECT address, argMax(name, last_seen) AS best
FROM host_names
WHERE source = 'own'
GROUP BY address
HAVING best != ''
