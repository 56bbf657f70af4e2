CREATE TABLE IF NOT EXISTS settings (
    key                String COMMENT 'Name of the setting',
    value              String COMMENT 'Its value',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (key)
COMMENT 'Site-wide settings. Read with FINAL and NOT deleted'
