CREATE TABLE IF NOT EXISTS far_end_drops (
    month   Date   COMMENT 'First day of the month whose far ends were dropped',
    rows    UInt64 COMMENT 'How many rows of daily_peer',
    bytes   UInt64 COMMENT 'Bytes on disk they took',
    dropped_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When'
)
ENGINE = MergeTree
ORDER BY (month, dropped_at)
COMMENT 'Far ends of each day that retention has dropped, a month at a time; no total is made from them'
