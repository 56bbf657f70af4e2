CREATE TABLE IF NOT EXISTS host_names (
    address    IPv6   COMMENT 'Address of a host',
    source     Enum8('own' = 1, 'dhcp' = 2, 'dns' = 3) COMMENT 'Who says so',
    name       String COMMENT 'Name',
    first_seen SimpleAggregateFunction(min, DateTime('UTC')) COMMENT 'First seen, UTC',
    last_seen  SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Last seen, UTC'
)
ENGINE = AggregatingMergeTree
ORDER BY (address, source, name)
COMMENT 'Names of addresses over time. Group by address, source, name'
