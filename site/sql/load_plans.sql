SELECT plan, toString(effective_from), name, zone, renewal, cap, cap_text, toString(counts), unit_base, exporters, free, line
FROM plans FINAL
WHERE NOT deleted
ORDER BY plan != 'home', plan, effective_from
