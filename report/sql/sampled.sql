SELECT exporter, sampling_rate
FROM exporter_state FINAL
WHERE NOT deleted AND sampling_rate > 1
    AND last_seen >= toDateTime({start:UInt32}, 'UTC') AND first_seen < toDateTime({end:UInt32}, 'UTC')
ORDER BY exporter
