CREATE TABLE IF NOT EXISTS daily_host (
    day                Date   COMMENT 'Day in the plan''s time zone' CODEC(Delta(2), ZSTD(1)),
    exporter           IPv6   COMMENT 'Address of the exporter' CODEC(ZSTD(1)),
    host               IPv6   COMMENT 'The local end; :: for unmatched flows' CODEC(ZSTD(1)),
    received           UInt64 COMMENT 'Bytes received from remote hosts' CODEC(T64, ZSTD(1)),
    sent               UInt64 COMMENT 'Bytes sent to remote hosts' CODEC(T64, ZSTD(1)),
    internal           UInt64 COMMENT 'Bytes between local hosts, booked on the source' CODEC(T64, ZSTD(1)),
    unmatched          UInt64 COMMENT 'Bytes of flows with no local end' CODEC(T64, ZSTD(1)),
    received_packets   UInt64 COMMENT 'Packets: received' CODEC(T64, ZSTD(1)),
    sent_packets       UInt64 COMMENT 'Packets: sent' CODEC(T64, ZSTD(1)),
    internal_packets   UInt64 COMMENT 'Packets: internal' CODEC(T64, ZSTD(1)),
    unmatched_packets  UInt64 COMMENT 'Packets: unmatched' CODEC(T64, ZSTD(1)),
    received_flows     UInt64 COMMENT 'Records: received; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    sent_flows         UInt64 COMMENT 'Records: sent; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    internal_flows     UInt64 COMMENT 'Records: internal; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    unmatched_flows    UInt64 COMMENT 'Records: unmatched; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    packets            UInt64 ALIAS received_packets + sent_packets + internal_packets + unmatched_packets COMMENT 'Packets of all directions',
    flows              UInt64 ALIAS received_flows + sent_flows + internal_flows + unmatched_flows COMMENT 'Records of all directions'
)
ENGINE = SummingMergeTree
PARTITION BY toYear(day)
ORDER BY (host, day, exporter)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Usage a day and host, in the plan''s time zone {zone}. Sum the columns: rows merge in the background'
