INSERT INTO exporters (exporter, name, blocked, sampling_rate, count_interfaces, count_direction, sum_out_bytes, deleted, changed_at)
