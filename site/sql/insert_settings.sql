INSERT INTO settings (key, value, deleted, changed_at)
