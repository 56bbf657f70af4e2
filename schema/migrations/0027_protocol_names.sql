CREATE OR REPLACE DICTIONARY protocol_names (
    protocol UInt64,
    name String,
    title String
)
PRIMARY KEY protocol
SOURCE(CLICKHOUSE(DB '{database}' TABLE 'protocols' USER '{user}' PASSWORD '{password}'))
LAYOUT(FLAT())
LIFETIME(MIN 300 MAX 600)
COMMENT 'Names of IP protocols, for dictGet'
