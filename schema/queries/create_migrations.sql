CREATE TABLE IF NOT EXISTS migrations (
    number     UInt32 COMMENT 'Number of the migration',
    name       String COMMENT 'Its name',
    checksum   String COMMENT 'SHA-256 of its text',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied, UTC'
)
ENGINE = ReplacingMergeTree
ORDER BY number
COMMENT 'Schema migrations that this database has'
