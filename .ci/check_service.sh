#!/usr/bin/env bash
# Checks the packages' units on a system that systemd has booted: the server as a service, and two
# agents as services of a user. Called by filesync-check.service; see use_service in .ci/run.
set -euo pipefail
set -x

# wait_for WHAT COMMAND...
wait_for() {
  local deadline=$((SECONDS + 30)) what=$1
  shift
  until "$@"; do
    if [ $SECONDS -ge $deadline ]; then
      echo "waited in vain: $what" >&2
      journalctl --no-pager -n 50 >&2
      exit 1
    fi
    sleep 0.2
  done
}
holds() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

wait_for "the server is ready" systemctl is-active --quiet syncd
systemd-analyze security --threshold=20 syncd.service >/dev/null

useradd --create-home user
loginctl enable-linger user
wait_for "the user's manager runs" systemctl is-active --quiet "user@$(id -u user).service"
config=/home/user/.config/syncagent
sudo_user() { runuser -u user -- env XDG_RUNTIME_DIR="/run/user/$(id -u user)" "$@"; }
sudo_user mkdir -p $config
for name in a b; do
  sed "s|host:50051|127.0.0.1:50051|; s|name = \"docs\"|name = \"docs\"|; s|~/docs|~/$name|" \
    /usr/share/doc/filesync-agent/examples/example.toml | sudo_user tee $config/$name.toml >/dev/null
  sudo_user mkdir -p /home/user/$name
  sudo_user systemctl --user enable --now "syncagent@$name"
done
sudo_user sh -c 'echo "a save" >/home/user/a/file'
wait_for "a save goes from one agent to the other" holds /home/user/b/file "a save"
sudo_user systemctl --user reload syncagent@a

# It is started again after a crash, with its data.
kill -KILL "$(systemctl show -P MainPID syncd)"
wait_for "the server is back" systemctl is-active --quiet syncd
sudo_user sh -c 'echo "another" >/home/user/b/file'
wait_for "a save goes the other way" holds /home/user/a/file "another"
sudo_user systemctl --user stop syncagent@a syncagent@b
systemctl stop syncd
[ "$(systemctl show -P Result syncd)" = success ]
[ "$(stat -c %U:%a /var/lib/filesync)" = filesync:700 ]
echo done >/service-checked
