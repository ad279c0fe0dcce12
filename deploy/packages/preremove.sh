#!/bin/sh
# Of .deb and .rpm, before the files go.
set -e

venv=/usr/lib/recorder/venv

# dpkg says what it is about to do, rpm how many there will be.
case "$1" in
  remove | 0) ;;
  upgrade)
    # dpkg would find them in folders that the next version does not have. Who runs needs them no more.
    find "$venv/lib" -type d -name __pycache__ -prune -exec rm -rf {} +
    exit 0
    ;;
  *) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
  systemctl stop 'recorder.target' 'recorder.socket' 'recorder@*.socket' 'recorder-*@*.timer' \
    'recorder.service' 'recorder@*.service' 'recorder-*@*.service' || true
fi
# What was enabled would point to nothing.
find /etc/systemd/system -type l -lname '*/lib/systemd/system/recorder*' -delete
find "$venv/lib" -type d -name __pycache__ -prune -exec rm -rf {} +
