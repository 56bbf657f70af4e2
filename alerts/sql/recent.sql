SELECT alert, argMax(subject, at), argMax(toString(state), at), argMax(problem, at), max(at) AS newest
FROM alerts
WHERE at >= toDateTime({since:UInt32}, 'UTC')
GROUP BY alert
ORDER BY newest DESC
LIMIT 20
