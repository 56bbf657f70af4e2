SELECT key, value
FROM secrets FINAL
WHERE NOT deleted
