SELECT
    tupleElement(IPv6CIDRToRange(host, if(startsWith(IPv6NumToString(host), '::ffff:'), 120, 64)), 1) AS network,
    sum(received + sent + internal) AS total,
    uniqExact(host) AS hosts
FROM usage_15m
WHERE bucket >= toDateTime({from:Int64}, 'UTC') AND host != toIPv6('::')
GROUP BY network
ORDER BY total DESC, network
LIMIT 20
