SELECT value FROM settings FINAL
WHERE key = 'tell_history' AND NOT deleted
