#!/bin/sh
# Stops the services when the package goes for good; in an upgrade they go on
# until the new program is there. deb says "remove", rpm the number 0.
set -e
case "$1" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl disable --now flattraffic.service flattraffic-ingest.service flattraffic-server.service
  fi
  ;;
esac
