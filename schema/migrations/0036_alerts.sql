CREATE TABLE IF NOT EXISTS alerts (
    alert    String COMMENT 'What is said, once: the way it goes, the line, the period and the threshold',
    attempt  UInt16 COMMENT 'From 1; another one follows when the one before did not get through',
    server   String COMMENT 'Which running program wrote the row',
    state    Enum8('claimed' = 1, 'sent' = 2, 'failed' = 3) COMMENT 'claimed: this program sends it, and no other',
    subject  String COMMENT 'What it says, in one line',
    problem  String COMMENT 'Why it did not get through',
    at       DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the row was written, UTC'
)
ENGINE = MergeTree
ORDER BY (alert, attempt, at)
TTL toDateTime(at) + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Alerts that were sent, so that each is sent once whatever is restarted and however many programs run'
