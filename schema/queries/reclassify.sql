INSERT INTO {{.Into}}
WITH
    [{{join .Low ", "}}] AS low,
    [{{join .High ", "}}] AS high,
    arrayExists((l, h) -> src >= l AND src <= h, low, high) AS src_local,
    arrayExists((l, h) -> dst >= l AND dst <= h, low, high) AS dst_local,
    (dst >= toIPv6('::ffff:224.0.0.0') AND dst <= toIPv6('::ffff:239.255.255.255'))
        OR dst >= toIPv6('ff00::')
        OR dst = toIPv6('::ffff:255.255.255.255')
        OR (dst >= toIPv6('::ffff:169.254.0.0') AND dst <= toIPv6('::ffff:169.254.255.255'))
        OR (dst >= toIPv6('fe80::') AND dst <= toIPv6('febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff')) AS dst_near,
    multiIf(src_local AND (dst_local OR dst_near), 'internal', src_local, 'sent', dst_local, 'received', 'unmatched') AS told,
    told IN ('received', 'unmatched') AS from_peer,
    direction IN ('received', 'unmatched') != from_peer AS turned
SELECT * EXCEPT (src, dst) REPLACE (
    told AS direction,
    multiIf(told = 'unmatched', toIPv6('::'), from_peer, dst, src) AS host,
    if(from_peer, src, dst) AS peer,
    if(told = 'unmatched', dst, toIPv6('::')) AS unmatched_dst,
    if(turned, peer_port, host_port) AS host_port,
    if(turned, host_port, peer_port) AS peer_port,
    if(turned, peer_mac, host_mac) AS host_mac,
    if(turned, host_mac, peer_mac) AS peer_mac,
    if(turned, peer_as, host_as) AS host_as,
    if(turned, host_as, peer_as) AS peer_as
)
FROM (
    SELECT *,
        if(direction IN ('received', 'unmatched'), peer, host) AS src,
        multiIf(direction = 'received', host, direction = 'unmatched', unmatched_dst, peer) AS dst
    FROM {{.Source}}
)
SETTINGS insert_deduplicate = 0
