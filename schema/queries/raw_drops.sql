SELECT month, max(rows), max(bytes), max(dropped_at) FROM raw_drops GROUP BY month ORDER BY month DESC
