#!/bin/sh
# The data in /var/lib/flattraffic and its user stay: whoever wants them gone
# removes them by hand.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
case "$1" in
purge | 0)
  if [ -d /var/lib/flattraffic ]; then
    echo "The data of FlatTraffic stays in /var/lib/flattraffic; remove it yourself if you want it gone."
  fi
  ;;
esac
