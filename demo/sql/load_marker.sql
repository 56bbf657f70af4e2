SELECT value FROM settings FINAL WHERE key = 'demo' AND NOT deleted
