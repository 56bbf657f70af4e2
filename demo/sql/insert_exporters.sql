INSERT INTO exporters (exporter, name, changed_at)
