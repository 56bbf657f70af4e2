SELECT cluster, shard, shards
FROM shards
ORDER BY joined_at DESC, shards DESC
LIMIT 1
