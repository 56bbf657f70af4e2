CREATE TABLE IF NOT EXISTS exporter_state (
    exporter           IPv6 COMMENT 'Address of the exporter',
    first_seen         DateTime('UTC') COMMENT 'First datagram',
    last_seen          DateTime('UTC') COMMENT 'Newest datagram',
    origin             LowCardinality(String) COMMENT 'netflow5, netflow9, ipfix or sflow',
    templates          UInt32 COMMENT 'Templates known',
    last_template      DateTime('UTC') COMMENT 'Newest template; 1970 = none',
    clock_offset_ms    Int64 COMMENT 'Median of receive time less export time, milliseconds',
    sampling_rate      UInt32 COMMENT 'Sampling rate in force, 1 = none',
    interfaces         Array(UInt32) COMMENT 'Interface indexes seen, at most 64',
    active_timeout_s   UInt32 COMMENT 'Longest record seen lately, seconds',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (exporter)
COMMENT 'What the ingest last saw of each exporter. Read with FINAL and NOT deleted'
