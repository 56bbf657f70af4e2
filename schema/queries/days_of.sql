SELECT toString(toDate({{.Time}})) AS day FROM {{.Table}} GROUP BY day ORDER BY day
