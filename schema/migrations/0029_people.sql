CREATE TABLE IF NOT EXISTS people (
    person             String COMMENT 'Stable id; devices.owner names it',
    name               String COMMENT 'Name shown',
    weight             UInt16 DEFAULT 1 COMMENT 'Weight of the fair share of the plan; 0 = has no share',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (person)
COMMENT 'The people that devices belong to. Read with FINAL and NOT deleted'
