#!/bin/sh
# Starts the program on data of its own, writes the demo and runs a script on
# it: screenshots (the default) or lighthouse.
set -eu
script=${1:-screenshots}
data=$(mktemp -d)
bin/flattraffic up --data "$data" --listen-http 127.0.0.1:18090 --listen-netflow 127.0.0.1:0 --listen-sflow 127.0.0.1:0 --log-level error &
pid=$!
trap 'kill $pid; wait $pid || true; rm -rf "$data"' EXIT
until bin/flattraffic health --listen-http 127.0.0.1:18090 >/dev/null 2>&1; do sleep 0.3; done
bin/flattraffic demo --data "$data" --years 2
node "tools/journeys/$script.mjs" http://127.0.0.1:18090 docs/screenshots
