#!/bin/sh
# Makes the user and tells systemd of the units. A service that runs is started
# anew with the new program; none is started that was not.
set -e

if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers /usr/lib/sysusers.d/flattraffic.conf
elif ! getent passwd flattraffic >/dev/null; then
  useradd --system --user-group --home-dir /var/lib/flattraffic --shell /usr/sbin/nologin --comment FlatTraffic flattraffic
fi

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  for unit in flattraffic flattraffic-ingest flattraffic-server; do
    systemctl try-restart "$unit.service"
  done
  sysctl -q -p /usr/lib/sysctl.d/90-flattraffic.conf || true
fi
