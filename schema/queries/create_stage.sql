CREATE TABLE {{.}} AS flows
ENGINE = MergeTree
ORDER BY `end`
COMMENT 'Rows of an import while its file is read; safe to drop'
