CREATE TABLE IF NOT EXISTS exporters (
    exporter           IPv6 COMMENT 'Address of the exporter',
    name               String COMMENT 'Name shown',
    blocked            Bool DEFAULT false COMMENT 'True: its datagrams are dropped and counted',
    sampling_rate      UInt32 DEFAULT 0 COMMENT 'Overrides the sampling rate, 0 = as exported',
    count_interfaces   Array(UInt32) COMMENT 'Only records of these interfaces count; empty = all',
    count_direction    Enum8('any' = 0, 'ingress' = 1, 'egress' = 2) COMMENT 'Only records observed this way count',
    sum_out_bytes      Bool DEFAULT false COMMENT 'True: add elements 1 and 23 when both are set',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (exporter)
COMMENT 'What the user has set for each exporter. Read with FINAL and NOT deleted'
