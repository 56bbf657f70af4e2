SELECT key, value
FROM settings FINAL
WHERE NOT deleted AND startsWith(key, 'bill/')
ORDER BY key
