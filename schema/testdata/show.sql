CREATE TABLE flattraffic.accounts
(
    `account` String COMMENT 'Login name',
    `role` Enum8('admin' = 1, 'viewer' = 2) COMMENT 'What the account may do',
    `password` String COMMENT 'argon2id hash',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (account)
SETTINGS index_granularity = 8192
COMMENT 'Accounts of the web interface; not readable by the user reader. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.addresses
(
    `address` IPv6 COMMENT 'Address of a host',
    `mac` UInt64 COMMENT 'MAC address it was seen with; MACNumToString() prints it',
    `leased` SimpleAggregateFunction(max, UInt8) DEFAULT 0 COMMENT '1 = a DHCP lease said so, 0 = only flows did',
    `first_seen` SimpleAggregateFunction(min, DateTime('UTC')) COMMENT 'First seen, UTC',
    `last_seen` SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Last seen, UTC'
)
ENGINE = AggregatingMergeTree
ORDER BY (address, mac)
SETTINGS index_granularity = 8192
COMMENT 'Which address was seen with which MAC, and when. Group by address, mac';

CREATE TABLE flattraffic.alerts
(
    `alert` String COMMENT 'What is said, once: the way it goes, the line, the period and the threshold',
    `attempt` UInt16 COMMENT 'From 1; another one follows when the one before did not get through',
    `server` String COMMENT 'Which running program wrote the row',
    `state` Enum8('claimed' = 1, 'sent' = 2, 'failed' = 3) COMMENT 'claimed: this program sends it, and no other',
    `subject` String COMMENT 'What it says, in one line',
    `problem` String COMMENT 'Why it did not get through',
    `at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the row was written, UTC'
)
ENGINE = MergeTree
ORDER BY (alert, attempt, at)
TTL toDateTime(at) + toIntervalYear(3)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192
COMMENT 'Alerts that were sent, so that each is sent once whatever is restarted and however many programs run';

CREATE TABLE flattraffic.daily_host
(
    `day` Date COMMENT 'Day in the plan\'s time zone' CODEC(Delta(2), ZSTD(1)),
    `exporter` IPv6 COMMENT 'Address of the exporter' CODEC(ZSTD(1)),
    `host` IPv6 COMMENT 'The local end; :: for unmatched flows' CODEC(ZSTD(1)),
    `received` UInt64 COMMENT 'Bytes received from remote hosts' CODEC(T64, ZSTD(1)),
    `sent` UInt64 COMMENT 'Bytes sent to remote hosts' CODEC(T64, ZSTD(1)),
    `internal` UInt64 COMMENT 'Bytes between local hosts, booked on the source' CODEC(T64, ZSTD(1)),
    `unmatched` UInt64 COMMENT 'Bytes of flows with no local end' CODEC(T64, ZSTD(1)),
    `received_packets` UInt64 COMMENT 'Packets: received' CODEC(T64, ZSTD(1)),
    `sent_packets` UInt64 COMMENT 'Packets: sent' CODEC(T64, ZSTD(1)),
    `internal_packets` UInt64 COMMENT 'Packets: internal' CODEC(T64, ZSTD(1)),
    `unmatched_packets` UInt64 COMMENT 'Packets: unmatched' CODEC(T64, ZSTD(1)),
    `received_flows` UInt64 COMMENT 'Records: received; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `sent_flows` UInt64 COMMENT 'Records: sent; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `internal_flows` UInt64 COMMENT 'Records: internal; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `unmatched_flows` UInt64 COMMENT 'Records: unmatched; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `packets` UInt64 ALIAS ((received_packets + sent_packets) + internal_packets) + unmatched_packets COMMENT 'Packets of all directions',
    `flows` UInt64 ALIAS ((received_flows + sent_flows) + internal_flows) + unmatched_flows COMMENT 'Records of all directions'
)
ENGINE = SummingMergeTree
PARTITION BY toYear(day)
ORDER BY (host, day, exporter)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = true
COMMENT 'Usage a day and host, in the plan\'s time zone Pacific/Auckland. Sum the columns: rows merge in the background';

CREATE TABLE flattraffic.daily_host_protocol
(
    `day` Date COMMENT 'Day in the plan\'s time zone' CODEC(Delta(2), ZSTD(1)),
    `exporter` IPv6 COMMENT 'Address of the exporter' CODEC(ZSTD(1)),
    `host` IPv6 COMMENT 'The local end; :: for unmatched flows' CODEC(ZSTD(1)),
    `protocol` UInt8 COMMENT 'IP protocol number' CODEC(ZSTD(1)),
    `service` UInt16 COMMENT 'The port that names the service, 0 = Other' CODEC(ZSTD(1)),
    `received` UInt64 COMMENT 'Bytes received from remote hosts' CODEC(T64, ZSTD(1)),
    `sent` UInt64 COMMENT 'Bytes sent to remote hosts' CODEC(T64, ZSTD(1)),
    `internal` UInt64 COMMENT 'Bytes between local hosts, booked on the source' CODEC(T64, ZSTD(1)),
    `unmatched` UInt64 COMMENT 'Bytes of flows with no local end' CODEC(T64, ZSTD(1)),
    `received_packets` UInt64 COMMENT 'Packets: received' CODEC(T64, ZSTD(1)),
    `sent_packets` UInt64 COMMENT 'Packets: sent' CODEC(T64, ZSTD(1)),
    `internal_packets` UInt64 COMMENT 'Packets: internal' CODEC(T64, ZSTD(1)),
    `unmatched_packets` UInt64 COMMENT 'Packets: unmatched' CODEC(T64, ZSTD(1)),
    `received_flows` UInt64 COMMENT 'Records: received; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `sent_flows` UInt64 COMMENT 'Records: sent; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `internal_flows` UInt64 COMMENT 'Records: internal; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `unmatched_flows` UInt64 COMMENT 'Records: unmatched; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `packets` UInt64 ALIAS ((received_packets + sent_packets) + internal_packets) + unmatched_packets COMMENT 'Packets of all directions',
    `flows` UInt64 ALIAS ((received_flows + sent_flows) + internal_flows) + unmatched_flows COMMENT 'Records of all directions'
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (host, day, exporter, protocol, service)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = true
COMMENT 'Usage a day, host, protocol and service, in the plan\'s time zone Pacific/Auckland. Sum the columns: rows merge in the background';

CREATE TABLE flattraffic.daily_peer
(
    `day` Date COMMENT 'Day in the plan\'s time zone' CODEC(Delta(2), ZSTD(1)),
    `exporter` IPv6 COMMENT 'Address of the exporter' CODEC(ZSTD(1)),
    `host` IPv6 COMMENT 'The local end; :: for unmatched flows' CODEC(ZSTD(1)),
    `peer` IPv6 COMMENT 'The other end; the source for unmatched flows' CODEC(ZSTD(1)),
    `received` UInt64 COMMENT 'Bytes received from remote hosts' CODEC(T64, LZ4),
    `sent` UInt64 COMMENT 'Bytes sent to remote hosts' CODEC(T64, LZ4),
    `internal` UInt64 COMMENT 'Bytes between local hosts, booked on the source' CODEC(T64, LZ4),
    `unmatched` UInt64 COMMENT 'Bytes of flows with no local end' CODEC(T64, LZ4),
    `packets` UInt64 COMMENT 'Packets of all directions' CODEC(T64, LZ4),
    `flows` UInt64 COMMENT 'Records of all directions; each counts once, on the day it starts' CODEC(T64, LZ4),
    INDEX hosts host TYPE set(0) GRANULARITY 1
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (host, day, peer, exporter)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = true
COMMENT 'Usage a day, host and far end, in the plan\'s time zone Pacific/Auckland. Sum the columns: rows merge in the background';

CREATE TABLE flattraffic.daily_protocol
(
    `day` Date COMMENT 'Day in the plan\'s time zone' CODEC(Delta(2), ZSTD(1)),
    `exporter` IPv6 COMMENT 'Address of the exporter' CODEC(ZSTD(1)),
    `protocol` UInt8 COMMENT 'IP protocol number' CODEC(ZSTD(1)),
    `service` UInt16 COMMENT 'The port that names the service, 0 = Other' CODEC(ZSTD(1)),
    `received` UInt64 COMMENT 'Bytes received from remote hosts' CODEC(T64, ZSTD(1)),
    `sent` UInt64 COMMENT 'Bytes sent to remote hosts' CODEC(T64, ZSTD(1)),
    `internal` UInt64 COMMENT 'Bytes between local hosts, booked on the source' CODEC(T64, ZSTD(1)),
    `unmatched` UInt64 COMMENT 'Bytes of flows with no local end' CODEC(T64, ZSTD(1)),
    `received_packets` UInt64 COMMENT 'Packets: received' CODEC(T64, ZSTD(1)),
    `sent_packets` UInt64 COMMENT 'Packets: sent' CODEC(T64, ZSTD(1)),
    `internal_packets` UInt64 COMMENT 'Packets: internal' CODEC(T64, ZSTD(1)),
    `unmatched_packets` UInt64 COMMENT 'Packets: unmatched' CODEC(T64, ZSTD(1)),
    `received_flows` UInt64 COMMENT 'Records: received; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `sent_flows` UInt64 COMMENT 'Records: sent; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `internal_flows` UInt64 COMMENT 'Records: internal; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `unmatched_flows` UInt64 COMMENT 'Records: unmatched; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `packets` UInt64 ALIAS ((received_packets + sent_packets) + internal_packets) + unmatched_packets COMMENT 'Packets of all directions',
    `flows` UInt64 ALIAS ((received_flows + sent_flows) + internal_flows) + unmatched_flows COMMENT 'Records of all directions'
)
ENGINE = SummingMergeTree
PARTITION BY toYear(day)
ORDER BY (day, exporter, protocol, service)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = true
COMMENT 'Usage a day, protocol and service, in the plan\'s time zone Pacific/Auckland. Sum the columns: rows merge in the background';

CREATE TABLE flattraffic.daily_total
(
    `day` Date COMMENT 'Day in the plan\'s time zone' CODEC(Delta(2), ZSTD(1)),
    `exporter` IPv6 COMMENT 'Address of the exporter' CODEC(ZSTD(1)),
    `received` UInt64 COMMENT 'Bytes received from remote hosts' CODEC(T64, ZSTD(1)),
    `sent` UInt64 COMMENT 'Bytes sent to remote hosts' CODEC(T64, ZSTD(1)),
    `internal` UInt64 COMMENT 'Bytes between local hosts, booked on the source' CODEC(T64, ZSTD(1)),
    `unmatched` UInt64 COMMENT 'Bytes of flows with no local end' CODEC(T64, ZSTD(1)),
    `received_packets` UInt64 COMMENT 'Packets: received' CODEC(T64, ZSTD(1)),
    `sent_packets` UInt64 COMMENT 'Packets: sent' CODEC(T64, ZSTD(1)),
    `internal_packets` UInt64 COMMENT 'Packets: internal' CODEC(T64, ZSTD(1)),
    `unmatched_packets` UInt64 COMMENT 'Packets: unmatched' CODEC(T64, ZSTD(1)),
    `received_flows` UInt64 COMMENT 'Records: received; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `sent_flows` UInt64 COMMENT 'Records: sent; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `internal_flows` UInt64 COMMENT 'Records: internal; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `unmatched_flows` UInt64 COMMENT 'Records: unmatched; each counts once, on the day it starts' CODEC(T64, ZSTD(1)),
    `packets` UInt64 ALIAS ((received_packets + sent_packets) + internal_packets) + unmatched_packets COMMENT 'Packets of all directions',
    `flows` UInt64 ALIAS ((received_flows + sent_flows) + internal_flows) + unmatched_flows COMMENT 'Records of all directions'
)
ENGINE = SummingMergeTree
PARTITION BY toYear(day)
ORDER BY (day, exporter)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = true
COMMENT 'Usage a day, in the plan\'s time zone Pacific/Auckland. Sum the columns: rows merge in the background';

CREATE TABLE flattraffic.devices
(
    `device` String COMMENT 'Stable id',
    `name` String COMMENT 'Own name, empty = none',
    `owner` String COMMENT 'Person it belongs to, empty = none',
    `macs` Array(UInt64) COMMENT 'MAC addresses',
    `addresses` Array(IPv6) COMMENT 'Addresses set by hand',
    `apart` Bool DEFAULT false COMMENT 'True: its MAC addresses are a router\'s, what is seen with them stays apart',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (device)
SETTINGS index_granularity = 8192
COMMENT 'Devices the user has named. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.exporter_state
(
    `exporter` IPv6 COMMENT 'Address of the exporter',
    `first_seen` DateTime('UTC') COMMENT 'First datagram',
    `last_seen` DateTime('UTC') COMMENT 'Newest datagram',
    `origin` LowCardinality(String) COMMENT 'netflow5, netflow9, ipfix or sflow',
    `templates` UInt32 COMMENT 'Templates known',
    `last_template` DateTime('UTC') COMMENT 'Newest template; 1970 = none',
    `clock_offset_ms` Int64 COMMENT 'Median of receive time less export time, milliseconds',
    `sampling_rate` UInt32 COMMENT 'Sampling rate in force, 1 = none',
    `interfaces` Array(UInt32) COMMENT 'Interface indexes seen, at most 64',
    `active_timeout_s` UInt32 COMMENT 'Longest record seen lately, seconds',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (exporter)
SETTINGS index_granularity = 8192
COMMENT 'What the ingest last saw of each exporter. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.exporters
(
    `exporter` IPv6 COMMENT 'Address of the exporter',
    `name` String COMMENT 'Name shown',
    `blocked` Bool DEFAULT false COMMENT 'True: its datagrams are dropped and counted',
    `sampling_rate` UInt32 DEFAULT 0 COMMENT 'Overrides the sampling rate, 0 = as exported',
    `count_interfaces` Array(UInt32) COMMENT 'Only records of these interfaces count; empty = all',
    `count_direction` Enum8('any' = 0, 'ingress' = 1, 'egress' = 2, 'none' = 3) COMMENT 'Only records observed this way count; none: no record counts',
    `sum_out_bytes` Bool DEFAULT false COMMENT 'True: add elements 1 and 23 when both are set',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (exporter)
SETTINGS index_granularity = 8192
COMMENT 'What the user has set for each exporter. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.far_end_drops
(
    `month` Date COMMENT 'First day of the month whose far ends were dropped',
    `rows` UInt64 COMMENT 'How many rows of daily_peer',
    `bytes` UInt64 COMMENT 'Bytes on disk they took',
    `dropped_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When'
)
ENGINE = MergeTree
ORDER BY (month, dropped_at)
SETTINGS index_granularity = 8192
COMMENT 'Far ends of each day that retention has dropped, a month at a time; no total is made from them';

CREATE TABLE flattraffic.flows
(
    `end` DateTime('UTC') COMMENT 'Last packet of the flow, to the second, UTC' CODEC(Delta(4), ZSTD(1)),
    `duration_ms` UInt32 COMMENT 'Milliseconds from the first packet to the last' CODEC(ZSTD(1)),
    `delay` Int32 COMMENT 'Seconds from the end of the flow to its reception' CODEC(ZSTD(1)),
    `exporter` IPv6 COMMENT 'Address of the router that exported the record (IPv4 as ::ffff:a.b.c.d)' CODEC(ZSTD(1)),
    `origin` Enum8('netflow5' = 5, 'sflow' = 6, 'netflow9' = 9, 'ipfix' = 10, 'import' = 20, 'demo' = 21) COMMENT 'How the record came in' CODEC(ZSTD(1)),
    `in_if` UInt32 COMMENT 'Index of the interface the flow came in by, 0 = not said' CODEC(ZSTD(1)),
    `out_if` UInt32 COMMENT 'Index of the interface the flow left by, 0 = not said' CODEC(ZSTD(1)),
    `flow_direction` Enum8('unknown' = 0, 'ingress' = 1, 'egress' = 2) COMMENT 'Where the exporter observed the flow (information element 61)' CODEC(ZSTD(1)),
    `direction` Enum8('received' = 1, 'sent' = 2, 'internal' = 3, 'unmatched' = 4) COMMENT 'Direction as seen from the local networks' CODEC(ZSTD(1)),
    `counted` Bool DEFAULT true COMMENT 'False: stored and visible, but in no total (the exporter\'s settings say so)' CODEC(ZSTD(1)),
    `host` IPv6 COMMENT 'The local end; :: when neither end is local' CODEC(ZSTD(1)),
    `peer` IPv6 COMMENT 'The other end; the source when neither end is local' CODEC(ZSTD(1)),
    `host_port` UInt16 COMMENT 'Port at the host (unmatched: destination port)' CODEC(ZSTD(1)),
    `peer_port` UInt16 COMMENT 'Port at the peer (unmatched: source port)' CODEC(ZSTD(1)),
    `unmatched_dst` IPv6 COMMENT 'Destination of an unmatched flow, else ::' CODEC(ZSTD(1)),
    `protocol` UInt8 COMMENT 'IP protocol number' CODEC(ZSTD(1)),
    `service` UInt16 COMMENT 'The port that names the service, 0 = Other' CODEC(ZSTD(1)),
    `icmp_type` UInt8 COMMENT 'ICMP or ICMPv6 type, 0 for other protocols' CODEC(ZSTD(1)),
    `icmp_code` UInt8 COMMENT 'ICMP or ICMPv6 code, 0 for other protocols' CODEC(ZSTD(1)),
    `tcp_flags` UInt16 COMMENT 'TCP control bits seen, or-ed together' CODEC(ZSTD(1)),
    `tos` UInt8 COMMENT 'Type of service / traffic class' CODEC(ZSTD(1)),
    `vlan` UInt16 COMMENT 'VLAN id, 0 = none or not said' CODEC(ZSTD(1)),
    `host_mac` UInt64 COMMENT 'MAC on the host\'s side, 0 = not said; MACNumToString() prints it' CODEC(ZSTD(1)),
    `peer_mac` UInt64 COMMENT 'MAC on the peer\'s side, 0 = not said; MACNumToString() prints it' CODEC(ZSTD(1)),
    `host_as` UInt32 COMMENT 'AS number of the host\'s side, 0 = not said' CODEC(ZSTD(1)),
    `peer_as` UInt32 COMMENT 'AS number of the peer\'s side, 0 = not said' CODEC(ZSTD(1)),
    `sampling_rate` UInt32 COMMENT '1 = every packet was seen; N: bytes and packets are estimates, one packet of N was seen' CODEC(ZSTD(1)),
    `time_fixed` Bool COMMENT 'True: the exporter\'s times were not plausible and the time of reception stands in' CODEC(ZSTD(1)),
    `bytes` UInt64 COMMENT 'IP-layer octets, already times the sampling rate' CODEC(T64, ZSTD(1)),
    `packets` UInt64 COMMENT 'Packets, already times the sampling rate' CODEC(T64, ZSTD(1)),
    `start` DateTime64(3, 'UTC') ALIAS toDateTime64(end, 3, 'UTC') - toIntervalMillisecond(duration_ms) COMMENT 'First packet of the flow, UTC',
    `received_at` DateTime('UTC') ALIAS end + delay COMMENT 'When the record was received, UTC',
    `src_addr` IPv6 ALIAS multiIf(direction = 'received', peer, direction = 'unmatched', peer, host) COMMENT 'Source address',
    `dst_addr` IPv6 ALIAS multiIf(direction = 'received', host, direction = 'unmatched', unmatched_dst, peer) COMMENT 'Destination address',
    `src_port` UInt16 ALIAS if((direction IN ('received', 'unmatched')), peer_port, host_port) COMMENT 'Source port',
    `dst_port` UInt16 ALIAS if((direction IN ('received', 'unmatched')), host_port, peer_port) COMMENT 'Destination port',
    `import` UInt32 DEFAULT 0 COMMENT 'The import the row came in by (table imports), 0 = received as it happened' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(end)
ORDER BY (toDate(end), host, peer, host_port)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192
COMMENT 'One row a flow record, from the point of view of the local host';

CREATE TABLE flattraffic.host_names
(
    `address` IPv6 COMMENT 'Address of a host',
    `source` Enum8('own' = 1, 'dhcp' = 2, 'dns' = 3) COMMENT 'Who says so',
    `name` String COMMENT 'Name',
    `first_seen` SimpleAggregateFunction(min, DateTime('UTC')) COMMENT 'First seen, UTC',
    `last_seen` SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Last seen, UTC'
)
ENGINE = AggregatingMergeTree
ORDER BY (address, source, name)
SETTINGS index_granularity = 8192
COMMENT 'Names of addresses over time. Group by address, source, name';

CREATE TABLE flattraffic.imports
(
    `import` UInt32 COMMENT 'Number of the import; the column import of flows and ledger refers to it',
    `file` String COMMENT 'Name of the file, without its directory',
    `hash` String COMMENT 'SHA-256 of the content, unpacked: the same content counts once',
    `kind` LowCardinality(String) COMMENT 'What the file was read as: capture, nfdump, csv, ...',
    `rows` UInt64 COMMENT 'Rows of flows it became',
    `skipped` UInt64 COMMENT 'Records left out, each for a reason that was said',
    `bytes` UInt64 COMMENT 'Bytes of all its rows, already times the sampling rate',
    `first` DateTime('UTC') COMMENT 'First packet, UTC',
    `last` DateTime('UTC') COMMENT 'Last packet, UTC',
    `state` Enum8('loading' = 1, 'done' = 2, 'undoing' = 3, 'undone' = 4) COMMENT 'loading and undoing: was interrupted, and is undone by the next import',
    `started_at` DateTime64(3, 'UTC') COMMENT 'When the import began',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY import
SETTINGS index_granularity = 8192
COMMENT 'Files that were imported. Read with FINAL';

CREATE TABLE flattraffic.ledger
(
    `bucket` DateTime('UTC') COMMENT 'Start of the quarter hour, UTC' CODEC(Delta(4), ZSTD(1)),
    `exporter` IPv6 COMMENT 'Address of the exporter; :: for what belongs to the ingest as a whole' CODEC(ZSTD(1)),
    `event` LowCardinality(String) COMMENT 'What is counted: datagrams, records, lost_records, kernel_drops, ... (docs/reports.md lists them)' CODEC(ZSTD(1)),
    `count` UInt64 COMMENT 'How many' CODEC(T64, ZSTD(1)),
    `import` UInt32 COMMENT 'The import that counted it (table imports), 0 = the ingest' CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYear(bucket)
PRIMARY KEY (bucket, exporter, event)
ORDER BY (bucket, exporter, event, import)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = true
COMMENT 'What the ingest saw a quarter hour and exporter, and what it lost and why: the source of every completeness figure';

CREATE TABLE flattraffic.migrations
(
    `number` UInt32 COMMENT 'Number of the migration',
    `name` String COMMENT 'Its name',
    `checksum` String COMMENT 'SHA-256 of its text',
    `applied_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied, UTC'
)
ENGINE = ReplacingMergeTree
ORDER BY number
SETTINGS index_granularity = 8192
COMMENT 'Schema migrations that this database has';

CREATE TABLE flattraffic.networks
(
    `network` String COMMENT 'CIDR range',
    `name` String COMMENT 'Name shown',
    `metered` Bool DEFAULT true COMMENT 'Whether its traffic counts toward the cap',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (network)
SETTINGS index_granularity = 8192
COMMENT 'Local networks: the ranges that are ours. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.people
(
    `person` String COMMENT 'Stable id; devices.owner names it',
    `name` String COMMENT 'Name shown',
    `weight` UInt16 DEFAULT 1 COMMENT 'Weight of the fair share of the plan; 0 = has no share',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (person)
SETTINGS index_granularity = 8192
COMMENT 'The people that devices belong to. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.plans
(
    `plan` String COMMENT 'Stable id of the line the plan is for',
    `effective_from` Date COMMENT 'First local day this version is in force',
    `name` String COMMENT 'Name shown',
    `zone` String COMMENT 'IANA time zone',
    `renewal` String COMMENT 'Renewal rule: 1-31, -N, YYYY-MM-DD/N or month',
    `cap` UInt64 COMMENT 'Allowance in bytes a period, 0 = none',
    `cap_text` String COMMENT 'The allowance as entered, for example 500 GB',
    `counts` Enum8('both' = 0, 'received' = 1, 'sent' = 2, 'larger' = 3) COMMENT 'What counts toward the cap',
    `unit_base` UInt16 COMMENT '1000 or 1024',
    `exporters` Array(IPv6) COMMENT 'Exporters of this line; empty = all',
    `free` String COMMENT 'Times that do not count toward the cap, by the clock of the zone: 02:00-06:00; Sat,Sun 00:00-24:00',
    `line` String COMMENT 'Name of the line (of its newest version), empty = the name of the plan',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (plan, effective_from)
SETTINGS index_granularity = 8192
COMMENT 'Billing plans, each version from a date on. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.protocols
(
    `protocol` UInt8 COMMENT 'IP protocol number',
    `name` String COMMENT 'Name, lower case: tcp',
    `title` String COMMENT 'Name for people: TCP'
)
ENGINE = MergeTree
ORDER BY protocol
SETTINGS index_granularity = 8192
COMMENT 'Names of IP protocols';

CREATE TABLE flattraffic.raw_drops
(
    `month` Date COMMENT 'First day of the month whose raw flows were dropped',
    `rows` UInt64 COMMENT 'How many',
    `bytes` UInt64 COMMENT 'Bytes on disk they took',
    `dropped_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When'
)
ENGINE = MergeTree
ORDER BY (month, dropped_at)
SETTINGS index_granularity = 8192
COMMENT 'Raw flows that retention has dropped, a month at a time; the rollups made from them stay';

CREATE TABLE flattraffic.secrets
(
    `key` String COMMENT 'Name of the secret',
    `value` String COMMENT 'The secret: the password of the mail server, the address and token of the webhook',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (key)
SETTINGS index_granularity = 8192
COMMENT 'Secrets of the settings; not readable by the user reader. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.services
(
    `protocol` UInt8 COMMENT 'IP protocol number',
    `service` UInt16 COMMENT 'Port',
    `name` String COMMENT 'Name, lower case: https',
    `title` String COMMENT 'Name for people: HTTPS',
    `category` String COMMENT 'Group in plain words: Web'
)
ENGINE = MergeTree
ORDER BY (protocol, service)
SETTINGS index_granularity = 8192
COMMENT 'Names of services: what a port usually means';

CREATE TABLE flattraffic.sessions
(
    `token` String COMMENT 'SHA-256 of the session token',
    `data` String COMMENT 'Session data',
    `expires_at` DateTime('UTC') COMMENT 'End of the session, UTC',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: logged out'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY token
TTL expires_at + toIntervalDay(1)
SETTINGS index_granularity = 8192
COMMENT 'Sessions of the web interface; not readable by the user reader';

CREATE TABLE flattraffic.settings
(
    `key` String COMMENT 'Name of the setting',
    `value` String COMMENT 'Its value',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the entry was removed'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (key)
SETTINGS index_granularity = 8192
COMMENT 'Site-wide settings. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.shards
(
    `cluster` String COMMENT 'Name of the ClickHouse cluster, --cluster',
    `shard` UInt32 COMMENT 'Which of its shards this database is, from 1',
    `shards` UInt32 COMMENT 'How many the cluster had then; the newest row of shard 1 says how many it has',
    `joined_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the row was written'
)
ENGINE = MergeTree
ORDER BY joined_at
SETTINGS index_granularity = 8192
COMMENT 'Which part of a cluster this database is; empty when it is all there is';

CREATE TABLE flattraffic.share_links
(
    `link` String COMMENT 'Stable id, no secret',
    `token` String COMMENT 'SHA-256 of the token in the link',
    `person` String COMMENT 'Whose figures it shows, empty = everyone\'s',
    `created_at` DateTime('UTC') COMMENT 'When it was made, UTC',
    `expires_at` DateTime('UTC') COMMENT 'When it ends, UTC; 1970 = never',
    `changed_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was written; the newest wins',
    `deleted` Bool DEFAULT false COMMENT 'True: the link was revoked'
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (link)
SETTINGS index_granularity = 8192
COMMENT 'Read-only links to the figures of people; not readable by the user reader. Read with FINAL and NOT deleted';

CREATE TABLE flattraffic.usage_15m
(
    `bucket` DateTime('UTC') COMMENT 'Start of the quarter hour, UTC' CODEC(Delta(4), ZSTD(1)),
    `exporter` IPv6 COMMENT 'Address of the exporter' CODEC(ZSTD(1)),
    `host` IPv6 COMMENT 'The local end; :: for unmatched flows' CODEC(ZSTD(1)),
    `protocol` UInt8 COMMENT 'IP protocol number' CODEC(ZSTD(1)),
    `service` UInt16 COMMENT 'The port that names the service, 0 = Other' CODEC(ZSTD(1)),
    `received` UInt64 COMMENT 'Bytes received from remote hosts' CODEC(T64, ZSTD(1)),
    `sent` UInt64 COMMENT 'Bytes sent to remote hosts' CODEC(T64, ZSTD(1)),
    `internal` UInt64 COMMENT 'Bytes between local hosts, booked on the source' CODEC(T64, ZSTD(1)),
    `unmatched` UInt64 COMMENT 'Bytes of flows with no local end' CODEC(T64, ZSTD(1)),
    `received_packets` UInt64 COMMENT 'Packets received' CODEC(T64, ZSTD(1)),
    `sent_packets` UInt64 COMMENT 'Packets sent' CODEC(T64, ZSTD(1)),
    `internal_packets` UInt64 COMMENT 'Packets between local hosts' CODEC(T64, ZSTD(1)),
    `unmatched_packets` UInt64 COMMENT 'Packets of flows with no local end' CODEC(T64, ZSTD(1)),
    `received_flows` UInt64 COMMENT 'Records received; each record counts once, in the quarter hour it starts in' CODEC(T64, ZSTD(1)),
    `sent_flows` UInt64 COMMENT 'Records sent' CODEC(T64, ZSTD(1)),
    `internal_flows` UInt64 COMMENT 'Records between local hosts' CODEC(T64, ZSTD(1)),
    `unmatched_flows` UInt64 COMMENT 'Records with no local end' CODEC(T64, ZSTD(1)),
    `packets` UInt64 ALIAS ((received_packets + sent_packets) + internal_packets) + unmatched_packets COMMENT 'Packets of all directions',
    `flows` UInt64 ALIAS ((received_flows + sent_flows) + internal_flows) + unmatched_flows COMMENT 'Records of all directions'
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(bucket)
ORDER BY (host, bucket, exporter, protocol, service)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = true
COMMENT 'Usage a quarter hour, exporter, host, protocol and service; bytes of a long flow are spread over the quarter hours it covers. Sum the columns: rows merge in the background';

CREATE MATERIALIZED VIEW flattraffic.daily_host_mv TO flattraffic.daily_host
(
    `day` Date,
    `exporter` IPv6,
    `host` IPv6,
    `received` UInt64,
    `sent` UInt64,
    `internal` UInt64,
    `unmatched` UInt64,
    `received_packets` UInt64,
    `sent_packets` UInt64,
    `internal_packets` UInt64,
    `unmatched_packets` UInt64,
    `received_flows` UInt64,
    `sent_flows` UInt64,
    `internal_flows` UInt64,
    `unmatched_flows` UInt64
)
AS SELECT
    toDate(bucket, 'Pacific/Auckland') AS day,
    exporter,
    host,
    sum(u.received) AS received,
    sum(u.sent) AS sent,
    sum(u.internal) AS internal,
    sum(u.unmatched) AS unmatched,
    sum(u.received_packets) AS received_packets,
    sum(u.sent_packets) AS sent_packets,
    sum(u.internal_packets) AS internal_packets,
    sum(u.unmatched_packets) AS unmatched_packets,
    sum(u.received_flows) AS received_flows,
    sum(u.sent_flows) AS sent_flows,
    sum(u.internal_flows) AS internal_flows,
    sum(u.unmatched_flows) AS unmatched_flows
FROM flattraffic.usage_15m AS u
GROUP BY
    day,
    exporter,
    host;

CREATE MATERIALIZED VIEW flattraffic.daily_host_protocol_mv TO flattraffic.daily_host_protocol
(
    `day` Date,
    `exporter` IPv6,
    `host` IPv6,
    `protocol` UInt8,
    `service` UInt16,
    `received` UInt64,
    `sent` UInt64,
    `internal` UInt64,
    `unmatched` UInt64,
    `received_packets` UInt64,
    `sent_packets` UInt64,
    `internal_packets` UInt64,
    `unmatched_packets` UInt64,
    `received_flows` UInt64,
    `sent_flows` UInt64,
    `internal_flows` UInt64,
    `unmatched_flows` UInt64
)
AS SELECT
    toDate(bucket, 'Pacific/Auckland') AS day,
    exporter,
    host,
    protocol,
    service,
    sum(u.received) AS received,
    sum(u.sent) AS sent,
    sum(u.internal) AS internal,
    sum(u.unmatched) AS unmatched,
    sum(u.received_packets) AS received_packets,
    sum(u.sent_packets) AS sent_packets,
    sum(u.internal_packets) AS internal_packets,
    sum(u.unmatched_packets) AS unmatched_packets,
    sum(u.received_flows) AS received_flows,
    sum(u.sent_flows) AS sent_flows,
    sum(u.internal_flows) AS internal_flows,
    sum(u.unmatched_flows) AS unmatched_flows
FROM flattraffic.usage_15m AS u
GROUP BY
    day,
    exporter,
    host,
    protocol,
    service;

CREATE MATERIALIZED VIEW flattraffic.daily_peer_mv TO flattraffic.daily_peer
(
    `day` Date,
    `exporter` IPv6,
    `host` IPv6,
    `peer` IPv6,
    `received` Int64,
    `sent` Int64,
    `internal` Int64,
    `unmatched` Int64,
    `packets` Int64,
    `flows` UInt64
)
AS WITH
    (toUInt64(toUnixTimestamp(end)) * 1000) - duration_ms AS first_ms,
    toUInt64(greatest(duration_ms, 1)) AS span_ms,
    intDiv(first_ms, 900000) AS first_quarter,
    intDiv((first_ms + span_ms) - 1, 900000) AS last_quarter,
    greatest(quarter * 900000, first_ms) - first_ms AS before_ms,
    least((quarter + 1) * 900000, first_ms + span_ms) - first_ms AS until_ms,
    ((intDiv(bytes, span_ms) * (until_ms - before_ms)) + intDiv((bytes % span_ms) * until_ms, span_ms)) - intDiv((bytes % span_ms) * before_ms, span_ms) AS octets,
    ((intDiv(packets, span_ms) * (until_ms - before_ms)) + intDiv((packets % span_ms) * until_ms, span_ms)) - intDiv((packets % span_ms) * before_ms, span_ms) AS pkts,
    quarter = first_quarter AS starts
SELECT
    toDate(toDateTime(quarter * 900, 'UTC'), 'Pacific/Auckland') AS day,
    exporter,
    host,
    peer,
    sumIf(octets, direction = 'received') AS received,
    sumIf(octets, direction = 'sent') AS sent,
    sumIf(octets, direction = 'internal') AS internal,
    sumIf(octets, direction = 'unmatched') AS unmatched,
    sum(pkts) AS packets,
    countIf(starts) AS flows
FROM flattraffic.flows
ARRAY JOIN range(first_quarter, last_quarter + 1) AS quarter
WHERE counted
GROUP BY
    day,
    exporter,
    host,
    peer;

CREATE MATERIALIZED VIEW flattraffic.daily_protocol_mv TO flattraffic.daily_protocol
(
    `day` Date,
    `exporter` IPv6,
    `protocol` UInt8,
    `service` UInt16,
    `received` UInt64,
    `sent` UInt64,
    `internal` UInt64,
    `unmatched` UInt64,
    `received_packets` UInt64,
    `sent_packets` UInt64,
    `internal_packets` UInt64,
    `unmatched_packets` UInt64,
    `received_flows` UInt64,
    `sent_flows` UInt64,
    `internal_flows` UInt64,
    `unmatched_flows` UInt64
)
AS SELECT
    toDate(bucket, 'Pacific/Auckland') AS day,
    exporter,
    protocol,
    service,
    sum(u.received) AS received,
    sum(u.sent) AS sent,
    sum(u.internal) AS internal,
    sum(u.unmatched) AS unmatched,
    sum(u.received_packets) AS received_packets,
    sum(u.sent_packets) AS sent_packets,
    sum(u.internal_packets) AS internal_packets,
    sum(u.unmatched_packets) AS unmatched_packets,
    sum(u.received_flows) AS received_flows,
    sum(u.sent_flows) AS sent_flows,
    sum(u.internal_flows) AS internal_flows,
    sum(u.unmatched_flows) AS unmatched_flows
FROM flattraffic.usage_15m AS u
GROUP BY
    day,
    exporter,
    protocol,
    service;

CREATE MATERIALIZED VIEW flattraffic.daily_total_mv TO flattraffic.daily_total
(
    `day` Date,
    `exporter` IPv6,
    `received` UInt64,
    `sent` UInt64,
    `internal` UInt64,
    `unmatched` UInt64,
    `received_packets` UInt64,
    `sent_packets` UInt64,
    `internal_packets` UInt64,
    `unmatched_packets` UInt64,
    `received_flows` UInt64,
    `sent_flows` UInt64,
    `internal_flows` UInt64,
    `unmatched_flows` UInt64
)
AS SELECT
    toDate(bucket, 'Pacific/Auckland') AS day,
    exporter,
    sum(u.received) AS received,
    sum(u.sent) AS sent,
    sum(u.internal) AS internal,
    sum(u.unmatched) AS unmatched,
    sum(u.received_packets) AS received_packets,
    sum(u.sent_packets) AS sent_packets,
    sum(u.internal_packets) AS internal_packets,
    sum(u.unmatched_packets) AS unmatched_packets,
    sum(u.received_flows) AS received_flows,
    sum(u.sent_flows) AS sent_flows,
    sum(u.internal_flows) AS internal_flows,
    sum(u.unmatched_flows) AS unmatched_flows
FROM flattraffic.usage_15m AS u
GROUP BY
    day,
    exporter;

CREATE MATERIALIZED VIEW flattraffic.usage_15m_mv TO flattraffic.usage_15m
(
    `bucket` DateTime('UTC'),
    `exporter` IPv6,
    `host` IPv6,
    `protocol` UInt8,
    `service` UInt16,
    `received` Int64,
    `sent` Int64,
    `internal` Int64,
    `unmatched` Int64,
    `received_packets` Int64,
    `sent_packets` Int64,
    `internal_packets` Int64,
    `unmatched_packets` Int64,
    `received_flows` UInt64,
    `sent_flows` UInt64,
    `internal_flows` UInt64,
    `unmatched_flows` UInt64
)
AS WITH
    (toUInt64(toUnixTimestamp(end)) * 1000) - duration_ms AS first_ms,
    toUInt64(greatest(duration_ms, 1)) AS span_ms,
    intDiv(first_ms, 900000) AS first_quarter,
    intDiv((first_ms + span_ms) - 1, 900000) AS last_quarter,
    greatest(quarter * 900000, first_ms) - first_ms AS before_ms,
    least((quarter + 1) * 900000, first_ms + span_ms) - first_ms AS until_ms,
    ((intDiv(bytes, span_ms) * (until_ms - before_ms)) + intDiv((bytes % span_ms) * until_ms, span_ms)) - intDiv((bytes % span_ms) * before_ms, span_ms) AS octets,
    ((intDiv(packets, span_ms) * (until_ms - before_ms)) + intDiv((packets % span_ms) * until_ms, span_ms)) - intDiv((packets % span_ms) * before_ms, span_ms) AS pkts,
    quarter = first_quarter AS starts
SELECT
    toDateTime(quarter * 900, 'UTC') AS bucket,
    exporter,
    host,
    protocol,
    service,
    sumIf(octets, direction = 'received') AS received,
    sumIf(octets, direction = 'sent') AS sent,
    sumIf(octets, direction = 'internal') AS internal,
    sumIf(octets, direction = 'unmatched') AS unmatched,
    sumIf(pkts, direction = 'received') AS received_packets,
    sumIf(pkts, direction = 'sent') AS sent_packets,
    sumIf(pkts, direction = 'internal') AS internal_packets,
    sumIf(pkts, direction = 'unmatched') AS unmatched_packets,
    countIf(starts AND (direction = 'received')) AS received_flows,
    countIf(starts AND (direction = 'sent')) AS sent_flows,
    countIf(starts AND (direction = 'internal')) AS internal_flows,
    countIf(starts AND (direction = 'unmatched')) AS unmatched_flows
FROM flattraffic.flows
ARRAY JOIN range(first_quarter, last_quarter + 1) AS quarter
WHERE counted
GROUP BY
    bucket,
    exporter,
    host,
    protocol,
    service;

CREATE DICTIONARY flattraffic.protocol_names
(
    `protocol` UInt64,
    `name` String,
    `title` String
)
PRIMARY KEY protocol
SOURCE(CLICKHOUSE(DB 'flattraffic' TABLE 'protocols' USER 'flattraffic' PASSWORD '[HIDDEN]'))
LIFETIME(MIN 300 MAX 600)
LAYOUT(FLAT())
COMMENT 'Names of IP protocols, for dictGet';

CREATE DICTIONARY flattraffic.service_names
(
    `protocol` UInt8,
    `service` UInt16,
    `name` String,
    `title` String,
    `category` String
)
PRIMARY KEY protocol, service
SOURCE(CLICKHOUSE(DB 'flattraffic' TABLE 'services' USER 'flattraffic' PASSWORD '[HIDDEN]'))
LIFETIME(MIN 300 MAX 600)
LAYOUT(COMPLEX_KEY_HASHED())
COMMENT 'Names of services, for dictGet';

