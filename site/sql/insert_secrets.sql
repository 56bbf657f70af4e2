INSERT INTO secrets (key, value, deleted, changed_at)
