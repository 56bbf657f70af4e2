ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS import UInt32 COMMENT 'The import that counted it (table imports), 0 = the ingest' CODEC(ZSTD(1)),
    MODIFY ORDER BY (bucket, exporter, event, import)
