CREATE TABLE demo_stage_sessions (
    chunk         UInt32  COMMENT 'Part of the work',
    key           UInt64  COMMENT 'Seed of the flows'' hashes',
    start         UInt32  COMMENT 'Unix seconds',
    seconds       UInt32  COMMENT 'Length',
    kind          Int8    COMMENT '0 client, 1 internal, 2 unmatched, 3 server, 4 multicast',
    host          IPv6    COMMENT 'IPv4 address of the host; the router''s own for unmatched',
    host6         IPv6    COMMENT 'IPv6 address of the host',
    share6        UInt8   COMMENT 'Of 256 conversations, how many use IPv6',
    mac           UInt64  COMMENT 'MAC of the host',
    peer          IPv6    COMMENT 'Other end of internal and multicast sessions',
    peer_mac      UInt64  COMMENT 'Its MAC',
    peers         UInt32  COMMENT 'How many far ends there are',
    pool          UInt32  COMMENT 'Which far ends',
    lan           UInt32  COMMENT 'Interface of the host',
    vlan          UInt16  COMMENT 'VLAN of the host',
    protocol      UInt8   COMMENT 'IP protocol number',
    port          UInt16  COMMENT 'Port of the service, 0 = any',
    service       UInt16  COMMENT 'Port that names the service',
    conversations UInt32  COMMENT 'How many',
    down          Float64 COMMENT 'Mean bytes to the client',
    up            Float64 COMMENT 'Mean bytes from the client',
    tail          Float64 COMMENT 'How unequal the conversations are, 0 to 1',
    down_size     Float64 COMMENT 'Bytes a packet to the client',
    up_size       Float64 COMMENT 'Bytes a packet from the client',
    duration      Float64 COMMENT 'Mean seconds'
)
ENGINE = MergeTree
ORDER BY chunk
COMMENT 'Sessions of the demo while it is written; safe to drop'
