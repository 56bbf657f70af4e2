CREATE TABLE IF NOT EXISTS imports (
    import     UInt32 COMMENT 'Number of the import; the column import of flows and ledger refers to it',
    file       String COMMENT 'Name of the file, without its directory',
    hash       String COMMENT 'SHA-256 of the content, unpacked: the same content counts once',
    kind       LowCardinality(String) COMMENT 'What the file was read as: capture, nfdump, csv, ...',
    rows       UInt64 COMMENT 'Rows of flows it became',
    skipped    UInt64 COMMENT 'Records left out, each for a reason that was said',
    bytes      UInt64 COMMENT 'Bytes of all its rows, already times the sampling rate',
    first      DateTime('UTC') COMMENT 'First packet, UTC',
    last       DateTime('UTC') COMMENT 'Last packet, UTC',
    state      Enum8('loading' = 1, 'done' = 2, 'undoing' = 3, 'undone' = 4) COMMENT 'loading and undoing: was interrupted, and is undone by the next import',
    started_at DateTime64(3, 'UTC') COMMENT 'When the import began',
    changed_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY import
COMMENT 'Files that were imported. Read with FINAL'
