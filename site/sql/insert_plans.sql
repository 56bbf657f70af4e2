INSERT INTO plans (plan, effective_from, name, zone, renewal, cap, cap_text, counts, unit_base, exporters, free, line, deleted, changed_at)
