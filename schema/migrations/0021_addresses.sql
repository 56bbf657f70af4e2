CREATE TABLE IF NOT EXISTS addresses (
    address    IPv6   COMMENT 'Address of a host',
    mac        UInt64 COMMENT 'MAC address it was seen with; MACNumToString() prints it',
    first_seen SimpleAggregateFunction(min, DateTime('UTC')) COMMENT 'First seen, UTC',
    last_seen  SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Last seen, UTC'
)
ENGINE = AggregatingMergeTree
ORDER BY (address, mac)
COMMENT 'Which address was seen with which MAC, and when. Group by address, mac'
