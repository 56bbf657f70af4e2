SELECT toString(day) AS date
FROM daily_total
GROUP BY day
HAVING sum(received + sent) > 0
ORDER BY day
