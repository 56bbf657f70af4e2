CREATE TABLE IF NOT EXISTS raw_drops (
    month   Date   COMMENT 'First day of the month whose raw flows were dropped',
    rows    UInt64 COMMENT 'How many',
    bytes   UInt64 COMMENT 'Bytes on disk they took',
    dropped_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When'
)
ENGINE = MergeTree
ORDER BY (month, dropped_at)
COMMENT 'Raw flows that retention has dropped, a month at a time; the rollups made from them stay'
