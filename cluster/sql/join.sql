INSERT INTO shards (cluster, shard, shards) VALUES (?, ?, ?)
