#!/bin/sh
# Starts ClickHouse with the passwords from the secret files. The server gets
# their hashes only, by the environment, where users.xml takes them from.
set -eu

hash() {
  [ -s "$1" ] || { echo "secret $1 is empty or missing; run init.sh beside compose.yaml" >&2; exit 1; }
  # $(...) drops a newline at the end, which editors like to add.
  printf '%s' "$(cat "$1")" | sha256sum | cut -d ' ' -f 1
}

FLATTRAFFIC_OWNER_SHA256=$(hash /run/secrets/clickhouse_password)
FLATTRAFFIC_READER_SHA256=$(hash /run/secrets/reader_password)
export FLATTRAFFIC_OWNER_SHA256 FLATTRAFFIC_READER_SHA256

# The watchdog is a parent process that would keep signals from the server.
export CLICKHOUSE_WATCHDOG_ENABLE=0
exec clickhouse-server --config-file="${CLICKHOUSE_CONFIG:-/etc/clickhouse-server/config.xml}"
