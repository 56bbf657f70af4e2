WITH
    {{include "tell" .}},
    told IN ('received', 'unmatched') AS from_peer,
    direction IN ('received', 'unmatched') != from_peer AS turned
SELECT * EXCEPT (src, dst) REPLACE (
    told AS direction,
    counts AS counted,
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
