SELECT
    tupleElement(IPv6CIDRToRange(a, if(startsWith(IPv6NumToString(a), '::ffff:'), 120, 64)), 1) AS network,
    sum(bytes) AS total,
    count() AS flows
FROM flows
ARRAY JOIN [peer, unmatched_dst] AS a
WHERE `end` >= toDateTime({from:Int64}, 'UTC') AND direction = 'unmatched'
GROUP BY network
ORDER BY total DESC, network
LIMIT 5
