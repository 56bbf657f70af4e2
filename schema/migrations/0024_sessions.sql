CREATE TABLE IF NOT EXISTS sessions (
    token      String COMMENT 'SHA-256 of the session token',
    data       String COMMENT 'Session data',
    expires_at DateTime('UTC') COMMENT 'End of the session, UTC',
    changed_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    deleted    Bool DEFAULT false COMMENT 'True: logged out'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY token
TTL expires_at + INTERVAL 1 DAY
COMMENT 'Sessions of the web interface; not readable by the user reader'
