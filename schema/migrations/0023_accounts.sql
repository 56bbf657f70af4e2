CREATE TABLE IF NOT EXISTS accounts (
    account            String COMMENT 'Login name',
    role               Enum8('admin' = 1, 'viewer' = 2) COMMENT 'What the account may do',
    password           String COMMENT 'argon2id hash',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (account)
COMMENT 'Accounts of the web interface; not readable by the user reader. Read with FINAL and NOT deleted'
