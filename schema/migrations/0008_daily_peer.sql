CREATE TABLE IF NOT EXISTS daily_peer (
    day                Date   COMMENT 'Day in the plan''s time zone' CODEC(Delta(2), ZSTD(1)),
    exporter           IPv6   COMMENT 'Address of the exporter' CODEC(ZSTD(1)),
    host               IPv6   COMMENT 'The local end; :: for unmatched flows' CODEC(ZSTD(1)),
    peer               IPv6   COMMENT 'The other end; the source for unmatched flows' CODEC(ZSTD(1)),
    received           UInt64 COMMENT 'Bytes received from remote hosts' CODEC(T64, ZSTD(1)),
    sent               UInt64 COMMENT 'Bytes sent to remote hosts' CODEC(T64, ZSTD(1)),
    internal           UInt64 COMMENT 'Bytes between local hosts, booked on the source' CODEC(T64, ZSTD(1)),
    unmatched          UInt64 COMMENT 'Bytes of flows with no local end' CODEC(T64, ZSTD(1)),
    packets            UInt64 COMMENT 'Packets of all directions' CODEC(T64, ZSTD(1)),
    flows              UInt64 COMMENT 'Records of all directions; each counts once, on the day it starts' CODEC(T64, ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (host, day, peer, exporter)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Usage a day, host and far end, in the plan''s time zone {zone}. Sum the columns: rows merge in the background'
