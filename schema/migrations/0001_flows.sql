CREATE TABLE IF NOT EXISTS flows (
    `end`         DateTime('UTC')  COMMENT 'Last packet of the flow, to the second, UTC' CODEC(Delta(4), ZSTD(1)),
    duration_ms   UInt32           COMMENT 'Milliseconds from the first packet to the last' CODEC(ZSTD(1)),
    delay         Int32            COMMENT 'Seconds from the end of the flow to its reception' CODEC(ZSTD(1)),
    exporter      IPv6             COMMENT 'Address of the router that exported the record (IPv4 as ::ffff:a.b.c.d)' CODEC(ZSTD(1)),
    origin        Enum8('netflow5' = 5, 'sflow' = 6, 'netflow9' = 9, 'ipfix' = 10, 'import' = 20, 'demo' = 21)
                                   COMMENT 'How the record came in' CODEC(ZSTD(1)),
    in_if         UInt32           COMMENT 'Index of the interface the flow came in by, 0 = not said' CODEC(ZSTD(1)),
    out_if        UInt32           COMMENT 'Index of the interface the flow left by, 0 = not said' CODEC(ZSTD(1)),
    flow_direction Enum8('unknown' = 0, 'ingress' = 1, 'egress' = 2)
                                   COMMENT 'Where the exporter observed the flow (information element 61)' CODEC(ZSTD(1)),
    direction     Enum8('received' = 1, 'sent' = 2, 'internal' = 3, 'unmatched' = 4)
                                   COMMENT 'Direction as seen from the local networks' CODEC(ZSTD(1)),
    counted       Bool DEFAULT true COMMENT 'False: stored and visible, but in no total (the exporter''s settings say so)' CODEC(ZSTD(1)),
    host          IPv6             COMMENT 'The local end; :: when neither end is local' CODEC(ZSTD(1)),
    peer          IPv6             COMMENT 'The other end; the source when neither end is local' CODEC(ZSTD(1)),
    host_port     UInt16           COMMENT 'Port at the host (unmatched: destination port)' CODEC(ZSTD(1)),
    peer_port     UInt16           COMMENT 'Port at the peer (unmatched: source port)' CODEC(ZSTD(1)),
    unmatched_dst IPv6             COMMENT 'Destination of an unmatched flow, else ::' CODEC(ZSTD(1)),
    protocol      UInt8            COMMENT 'IP protocol number' CODEC(ZSTD(1)),
    service       UInt16           COMMENT 'The port that names the service, 0 = Other' CODEC(ZSTD(1)),
    icmp_type     UInt8            COMMENT 'ICMP or ICMPv6 type, 0 for other protocols' CODEC(ZSTD(1)),
    icmp_code     UInt8            COMMENT 'ICMP or ICMPv6 code, 0 for other protocols' CODEC(ZSTD(1)),
    tcp_flags     UInt16           COMMENT 'TCP control bits seen, or-ed together' CODEC(ZSTD(1)),
    tos           UInt8            COMMENT 'Type of service / traffic class' CODEC(ZSTD(1)),
    vlan          UInt16           COMMENT 'VLAN id, 0 = none or not said' CODEC(ZSTD(1)),
    host_mac      UInt64           COMMENT 'MAC on the host''s side, 0 = not said; MACNumToString() prints it' CODEC(ZSTD(1)),
    peer_mac      UInt64           COMMENT 'MAC on the peer''s side, 0 = not said; MACNumToString() prints it' CODEC(ZSTD(1)),
    host_as       UInt32           COMMENT 'AS number of the host''s side, 0 = not said' CODEC(ZSTD(1)),
    peer_as       UInt32           COMMENT 'AS number of the peer''s side, 0 = not said' CODEC(ZSTD(1)),
    sampling_rate UInt32           COMMENT '1 = every packet was seen; N: bytes and packets are estimates, one packet of N was seen' CODEC(ZSTD(1)),
    time_fixed    Bool             COMMENT 'True: the exporter''s times were not plausible and the time of reception stands in' CODEC(ZSTD(1)),
    bytes         UInt64           COMMENT 'IP-layer octets, already times the sampling rate' CODEC(T64, ZSTD(1)),
    packets       UInt64           COMMENT 'Packets, already times the sampling rate' CODEC(T64, ZSTD(1)),
    `start`       DateTime64(3, 'UTC') ALIAS toDateTime64(`end`, 3, 'UTC') - toIntervalMillisecond(duration_ms) COMMENT 'First packet of the flow, UTC',
    received_at   DateTime('UTC')  ALIAS `end` + delay COMMENT 'When the record was received, UTC',
    src_addr      IPv6   ALIAS multiIf(direction = 'received', peer, direction = 'unmatched', peer, host) COMMENT 'Source address',
    dst_addr      IPv6   ALIAS multiIf(direction = 'received', host, direction = 'unmatched', unmatched_dst, peer) COMMENT 'Destination address',
    src_port      UInt16 ALIAS if(direction IN ('received', 'unmatched'), peer_port, host_port) COMMENT 'Source port',
    dst_port      UInt16 ALIAS if(direction IN ('received', 'unmatched'), host_port, peer_port) COMMENT 'Destination port'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(`end`)
ORDER BY (toDate(`end`), host, peer, host_port)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'One row a flow record, from the point of view of the local host'
