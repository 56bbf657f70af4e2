#!/bin/sh
# Makes what compose.yaml needs once: ./secrets with random passwords, and .env
# from .env.example. What exists is kept, so that it can be run again.
set -eu
cd "$(dirname "$0")"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# The folder is for its owner alone. The files in it can be read by all because
# each is mounted into a container whose user has a number of its own.
mkdir -p secrets
chmod 0700 secrets
keep() { # keep FILE TEXT: writes the file unless it has something in it
  [ -s "secrets/$1" ] || printf '%s' "$2" > "secrets/$1"
  chmod 0444 "secrets/$1"
}

[ -e .env ] || cp .env.example .env
port=$(sed -n 's/^CLICKHOUSE_PORT=//p' .env | tail -n 1)

keep clickhouse_password "$(random)"
keep reader_password "$(random)"
if [ ! -s secrets/admin_password ]; then
  keep admin_password "$(random)"
  echo "The password of admin is in $(pwd)/secrets/admin_password"
fi

# Derived from the password and the port, so always written.
password=$(cat secrets/clickhouse_password)
rm -f secrets/clickhouse_dsn secrets/clickhouse_dsn_host
keep clickhouse_dsn "clickhouse://flattraffic:$password@clickhouse:9000/flattraffic"
keep clickhouse_dsn_host "clickhouse://flattraffic:$password@clickhouse:${port:-9000}/flattraffic"

echo "Ready. Next: docker compose up -d"
