INSERT INTO imports (import, file, hash, kind, rows, skipped, bytes, first, last, state, started_at, changed_at)
