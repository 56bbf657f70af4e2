CREATE TABLE IF NOT EXISTS shards (
    cluster   String COMMENT 'Name of the ClickHouse cluster, --cluster',
    shard     UInt32 COMMENT 'Which of its shards this database is, from 1',
    shards    UInt32 COMMENT 'How many the cluster had then; the newest row of shard 1 says how many it has',
    joined_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the row was written'
)
ENGINE = MergeTree
ORDER BY joined_at
COMMENT 'Which part of a cluster this database is; empty when it is all there is'
