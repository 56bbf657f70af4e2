SELECT import, file, hash, kind, rows, skipped, bytes, first, last, toInt8(state), started_at
FROM imports FINAL
ORDER BY import
