SELECT toString(toYYYYMM(`end`)) AS month FROM {{.}} GROUP BY month ORDER BY month
