SELECT value FROM settings FINAL
WHERE key = 'setup' AND NOT deleted
