INSERT INTO flows ({{join .Columns ", "}}, import)
SELECT {{join .Columns ", "}}, toUInt32({{.Import}})
FROM {{.Stage}}
WHERE toYYYYMM(`end`) = {{.Month}}
SETTINGS insert_deduplicate = 0, max_block_size = 100000, min_insert_block_size_rows = 200000, min_insert_block_size_bytes = 0, parallel_view_processing = 1
