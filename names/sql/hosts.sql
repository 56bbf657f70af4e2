-- Local hosts seen in the last two days, busiest first.
SELECT host
FROM daily_host
WHERE day >= today() - 1 AND host != toIPv6('::')
GROUP BY host
ORDER BY sum(received + sent + internal) DESC
LIMIT 2000
