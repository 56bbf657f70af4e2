CREATE TABLE IF NOT EXISTS ledger (
    bucket   DateTime('UTC')        COMMENT 'Start of the quarter hour, UTC' CODEC(Delta(4), ZSTD(1)),
    exporter IPv6                   COMMENT 'Address of the exporter; :: for what belongs to the ingest as a whole' CODEC(ZSTD(1)),
    event    LowCardinality(String) COMMENT 'What is counted: datagrams, records, lost_records, kernel_drops, ... (docs/reports.md lists them)' CODEC(ZSTD(1)),
    count    UInt64                 COMMENT 'How many' CODEC(T64, ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYear(bucket)
ORDER BY (bucket, exporter, event)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What the ingest saw a quarter hour and exporter, and what it lost and why: the source of every completeness figure'
