CREATE TABLE IF NOT EXISTS devices (
    device             String COMMENT 'Stable id',
    name               String COMMENT 'Own name, empty = none',
    owner              String COMMENT 'Person it belongs to, empty = none',
    macs               Array(UInt64) COMMENT 'MAC addresses',
    addresses          Array(IPv6) COMMENT 'Addresses set by hand',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (device)
COMMENT 'Devices the user has named. Read with FINAL and NOT deleted'
