CREATE TABLE IF NOT EXISTS share_links (
    link               String COMMENT 'Stable id, no secret',
    token              String COMMENT 'SHA-256 of the token in the link',
    person             String COMMENT 'Whose figures it shows, empty = everyone''s',
    created_at         DateTime('UTC') COMMENT 'When it was made, UTC',
    expires_at         DateTime('UTC') COMMENT 'When it ends, UTC; 1970 = never',
    changed_at         DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted            Bool DEFAULT false COMMENT 'True: the link was revoked'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (link)
COMMENT 'Read-only links to the figures of people; not readable by the user reader. Read with FINAL and NOT deleted'
