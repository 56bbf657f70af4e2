CREATE TABLE IF NOT EXISTS protocols (
    protocol UInt8  COMMENT 'IP protocol number',
    name     String COMMENT 'Name, lower case: tcp',
    title    String COMMENT 'Name for people: TCP'
)
ENGINE = MergeTree
ORDER BY protocol
COMMENT 'Names of IP protocols'
