INSERT INTO {{.Twin}} ({{join .Columns ", "}})
SELECT {{.Time}}, {{join .Keys ", "}}
    {{- range .Counters}}, sum(delta_{{.}}) AS {{.}}{{end}}
FROM (
    SELECT {{.Time}}, {{join .Keys ", "}}{{range .Counters}}, toInt64({{.}}) AS delta_{{.}}{{end}}
    FROM ({{.Expected}})
    WHERE {{.When}}
    UNION ALL
    SELECT {{.Time}}, {{join .Keys ", "}}{{range .Counters}}, negate({{.}}) AS delta_{{.}}{{end}}
    FROM {{.Table}}
    WHERE {{.When}}
)
GROUP BY {{.Time}}, {{join .Keys ", "}}
HAVING {{range $i, $c := .Counters}}{{if $i}} OR {{end}}{{$c}} != 0{{end}}
SETTINGS max_insert_block_size = 100000000, min_insert_block_size_rows = 100000000, min_insert_block_size_bytes = 0, insert_deduplicate = 0
