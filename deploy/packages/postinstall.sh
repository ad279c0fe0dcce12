#!/bin/sh
# Of .deb and .rpm: the user, the folders, compiled modules; recorders that run get the new program.
set -e

venv=/usr/lib/recorder/venv
settings=/etc/recorder/upgrade.conf

# dpkg says "configure" with the version before, rpm how many there are now.
case "$1" in
  configure) before="$2" ;;
  1) before="" ;;
  [2-9]) before="one" ;;
  *) exit 0 ;;
esac

# Each checks the digest of its source, so that it is never older than that. After a recorder that
# runs, as everything here.
find "$venv/lib" -type d -name __pycache__ -prune -exec rm -rf {} +
nice -n 19 "$venv/bin/python" -I -m compileall -q -j 0 --invalidation-mode checked-hash \
  -x '/tests?/' "$venv/lib" >/dev/null || echo "recorder: some modules were not compiled; it starts more slowly"

systemd-sysusers recorder.conf
systemd-tmpfiles --create recorder.conf

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload

if [ -z "$before" ]; then
  echo "recorder: write a configuration with 'recorder setup', then: systemctl enable --now recorder"
  exit 0
fi
running=$(systemctl list-units --plain --no-legend --state=active,activating,reloading \
  'recorder.service' 'recorder@*.service' | cut -d ' ' -f 1)
if [ -n "$running" ] && grep -q '^restart=no' "$settings" 2>/dev/null; then
  echo "recorder: still the program before, until you restart it: $(echo "$running" | tr "\n" " ")"
  exit 0
fi
first=yes
for unit in $running; do
  # What was restarted has its books again before the next one lets go of its own.
  [ -n "$first" ] || sleep 5
  first=""
  echo "recorder: restarting $unit"
  systemctl restart "$unit" || echo "recorder: $unit did not start again: systemctl status $unit"
done
