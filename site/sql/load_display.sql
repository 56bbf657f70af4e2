SELECT key, value
FROM settings FINAL
WHERE NOT deleted AND key IN ('allow_list_only', 'reverse_dns', 'demo', 'alerts', 'retention')
