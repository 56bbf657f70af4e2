-- Expands sessions into flows. Each conversation is two records, one to the
-- client (side 0) and one from it (side 1). What varies comes from two hashes
-- of the session's key and the conversation's number, h and g.
INSERT INTO demo_stage_flows (
    `end`, duration_ms, delay, exporter, origin, in_if, out_if, flow_direction, direction, host, peer, host_port, peer_port, unmatched_dst,
    protocol, service, icmp_type, tcp_flags, vlan, host_mac, peer_mac, peer_as, sampling_rate, bytes, packets
)
WITH
    side = 0 AS to_client,
    kind = 2 AS outside,
    kind IN (1, 4) AS inside,
    to_client != (kind = 3) AS to_host,
    inside AND to_client AS swapped,
    if(to_client, down_size, up_size) AS size,
    toUInt64(least(2e10, greatest(least(size, 52), if(to_client, down, up) * weight))) AS octets,
    toUInt64(ceil(octets / size)) AS pkts,
    multiIf(protocol = 1, 0, kind = 3 OR kind = 4, port, near_port) AS port_here,
    multiIf(protocol = 1, 0, kind = 3, near_port, port = 0, far_port, port) AS port_there
SELECT
    ended,
    if(pkts = 1, 0, lasted_ms),
    if(protocol = 6, bitAnd(h, 1), 15),
    {exporter:IPv6},
    'demo',
    multiIf(inside, lan, outside, if(to_client, 0, 2), to_host, 2, lan),
    multiIf(inside, lan, outside, if(to_client, 2, 0), to_host, lan, 2),
    'ingress',
    multiIf(outside, 'unmatched', inside, 'internal', to_host, 'received', 'sent'),
    multiIf(outside, toIPv6('::'), swapped, far, near),
    multiIf(outside, if(to_client, near, far), swapped, near, far),
    if(swapped OR outside AND NOT to_client, port_there, port_here),
    if(swapped OR outside AND NOT to_client, port_here, port_there),
    multiIf(NOT outside, toIPv6('::'), to_client, far, near),
    protocol,
    service,
    if(protocol = 1 AND NOT to_client, 8, 0),
    if(protocol = 6, if(pkts = 1, 2, 27), 0),
    vlan,
    multiIf(outside, 0, swapped, peer_mac, mac),
    multiIf(outside, 0, swapped, mac, peer_mac),
    if(inside OR outside, 0, 64496 + pool % 16),
    1,
    octets,
    pkts
FROM
(
    SELECT
        *,
        cityHash64(key, conversation) AS h,
        intHash64(h) AS g,
        toDateTime(start + intDiv(bitAnd(h, 0xffffffff) * seconds, 4294967296), 'UTC') AS ended,
        bitAnd(bitShiftRight(h, 32), 255) < share6 AS v6,
        {port_base:UInt16} + toUInt16(bitShiftRight(h, 40) % {port_count:UInt16}) AS near_port,
        {port_base:UInt16} + toUInt16(bitShiftRight(g, 48) % {port_count:UInt16}) AS far_port,
        bitAnd(g, 65535) / 65536. AS luck,
        toUInt32(floor(peers * luck * luck * luck)) AS number,
        (1 - tail) * pow((bitAnd(bitShiftRight(g, 16), 1048575) + 1) / 1048576., -tail) AS weight,
        toUInt32(1000 * least(1800, greatest(-duration * log((bitAnd(bitShiftRight(g, 36), 65535) + 1) / 65536.), (down + up) * weight / 1e7))) AS lasted_ms,
        if(v6, host6, host) AS near,
        if(kind IN (1, 4), peer, CAST(if(v6,
            bitOr(bitShiftLeft(toUInt128(bitOr(0x3fff000000000000, bitShiftLeft(toUInt64(pool), 32))), 64), toUInt128(intHash64(number + 1099511627776 * pool))),
            toUInt128(0xffffc6120000 + bitAnd(number * 40503 + pool * 7919, 131071))) AS IPv6)) AS far
    FROM demo_stage_sessions
    ARRAY JOIN range(conversations) AS conversation
    WHERE chunk = {chunk:UInt32}
)
ARRAY JOIN [0, 1] AS side
WHERE if(to_client, down, up) > 0
    AND ended <= {until:DateTime('UTC')}
    AND NOT arrayExists((a, b) -> ended >= a AND toUnixTimestamp(ended) - intDiv(lasted_ms, 1000) < toUnixTimestamp(b), {gap_starts:Array(DateTime('UTC'))}, {gap_ends:Array(DateTime('UTC'))})
