SELECT exporter, first_seen, last_seen, origin, templates, last_template,
    clock_offset_ms, sampling_rate, interfaces, active_timeout_s
FROM exporter_state FINAL
WHERE NOT deleted
ORDER BY last_seen DESC, exporter
LIMIT 1000
