INSERT INTO settings (key, value, changed_at) VALUES ('demo', ?, ?)
