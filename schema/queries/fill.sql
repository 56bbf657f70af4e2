INSERT INTO {{.Into}} ({{join .Columns ", "}})
{{.Select}}
SETTINGS insert_deduplicate = 0
