SELECT exporter, name, blocked, sampling_rate, count_interfaces, toString(count_direction), sum_out_bytes
FROM exporters FINAL
WHERE NOT deleted
ORDER BY exporter
