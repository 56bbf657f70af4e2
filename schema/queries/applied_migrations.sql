SELECT number, any(name), any(checksum), min(applied_at) FROM migrations GROUP BY number ORDER BY number
