CREATE TABLE IF NOT EXISTS networks (
    network            String COMMENT 'CIDR range',
    name               String COMMENT 'Name shown',
    metered            Bool DEFAULT true COMMENT 'Whether its traffic counts toward the cap',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (network)
COMMENT 'Local networks: the ranges that are ours. Read with FINAL and NOT deleted'
