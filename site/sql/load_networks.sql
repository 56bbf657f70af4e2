SELECT network, name, metered
FROM networks FINAL
WHERE NOT deleted
