CREATE TABLE IF NOT EXISTS services (
    protocol UInt8  COMMENT 'IP protocol number',
    service  UInt16 COMMENT 'Port',
    name     String COMMENT 'Name, lower case: https',
    title    String COMMENT 'Name for people: HTTPS',
    category String COMMENT 'Group in plain words: Web'
)
ENGINE = MergeTree
ORDER BY (protocol, service)
COMMENT 'Names of services: what a port usually means'
