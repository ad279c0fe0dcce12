#!/bin/sh
# Of .deb and .rpm, after the files are gone. Data are never removed: an hour cannot be had again.
set -e

case "$1" in
  remove | purge | 0) ;;
  *) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
for left in /var/lib/recorder /var/lib/recorder-* /etc/recorder /etc/credstore/recorder*; do
  if [ -n "$(ls -A "$left" 2>/dev/null)" ]; then
    echo "recorder: kept $left"
  fi
done
