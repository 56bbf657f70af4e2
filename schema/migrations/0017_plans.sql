CREATE TABLE IF NOT EXISTS plans (
    plan               String COMMENT 'Stable id of the line the plan is for',
    effective_from     Date COMMENT 'First local day this version is in force',
    name               String COMMENT 'Name shown',
    zone               String COMMENT 'IANA time zone',
    renewal            String COMMENT 'Renewal rule: 1-31, -N, YYYY-MM-DD/N or month',
    cap                UInt64 COMMENT 'Allowance in bytes a period, 0 = none',
    cap_text           String COMMENT 'The allowance as entered, for example 500 GB',
    counts             Enum8('both' = 0, 'received' = 1, 'sent' = 2, 'larger' = 3) COMMENT 'What counts toward the cap',
    unit_base          UInt16 COMMENT '1000 or 1024',
    exporters          Array(IPv6) COMMENT 'Exporters of this line; empty = all',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (plan, effective_from)
COMMENT 'Billing plans, each version from a date on. Read with FINAL and NOT deleted'
