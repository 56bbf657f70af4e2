ALTER TABLE flows ADD COLUMN IF NOT EXISTS import UInt32 DEFAULT 0 COMMENT 'The import the row came in by (table imports), 0 = received as it happened' CODEC(ZSTD(1))
