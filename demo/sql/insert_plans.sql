INSERT INTO plans (plan, effective_from, name, zone, renewal, cap, cap_text, counts, unit_base, changed_at)
