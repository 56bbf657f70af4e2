CREATE OR REPLACE DICTIONARY service_names (
    protocol UInt8,
    service UInt16,
    name String,
    title String,
    category String
)
PRIMARY KEY protocol, service
SOURCE(CLICKHOUSE(DB '{database}' TABLE 'services' USER '{user}' PASSWORD '{password}'))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 300 MAX 600)
COMMENT 'Names of services, for dictGet'
