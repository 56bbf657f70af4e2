SELECT toDate({{.Time}}) AS day, count() AS rows FROM {{.Table}} GROUP BY day ORDER BY day
