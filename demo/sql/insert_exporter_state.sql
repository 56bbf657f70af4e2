INSERT INTO exporter_state (exporter, first_seen, last_seen, origin, templates, last_template, clock_offset_ms, sampling_rate, interfaces, active_timeout_s, changed_at)
