SELECT toString(toYYYYMM({{.Time}})) AS month FROM {{.Table}} WHERE {{.When}} GROUP BY month ORDER BY month
