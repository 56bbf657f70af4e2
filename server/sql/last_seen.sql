SELECT exporter, last_seen FROM exporter_state FINAL
WHERE NOT deleted
ORDER BY last_seen DESC
LIMIT 1
