CREATE TABLE IF NOT EXISTS secrets (
    key                String COMMENT 'Name of the secret',
    value              String COMMENT 'The secret: the password of the mail server, the address and token of the webhook',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (key)
COMMENT 'Secrets of the settings; not readable by the user reader. Read with FINAL and NOT deleted'
