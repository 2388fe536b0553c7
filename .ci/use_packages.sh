#!/usr/bin/env bash
# use_packages.sh DIR: installs, uses, upgrades and purges the packages in DIR, in a root in which
# they never were.
set -euo pipefail
cd "$(dirname "$0")/.."
debs=$1
export DEBIAN_FRONTEND=noninteractive

fail() { echo "packages: $1" >&2; exit 1; }
install() { apt-get install -y -qq --no-install-recommends "$@" >/tmp/apt.log 2>&1 || {
  cat /tmp/apt.log >&2; fail "apt-get install $* failed"; }; }

apt-get update -qq
install "$debs"/filesync-server_*.deb "$debs"/filesync-agent_*.deb
for file in /usr/bin/syncd /usr/bin/syncagent /usr/lib/systemd/user/syncagent@.service \
  /lib/systemd/system/syncd.service /etc/default/syncd /usr/share/man/man1/syncagent.1.gz \
  /usr/share/man/man8/syncd.8.gz /usr/share/bash-completion/completions/syncagent \
  /usr/share/zsh/vendor-completions/_syncagent \
  /usr/share/fish/vendor_completions.d/syncagent.fish \
  /usr/share/doc/filesync-agent/examples/example.toml; do
  [ -e "$file" ] || fail "there is no $file"
done
[ -e /etc/systemd/system/multi-user.target.wants/syncd.service ] || fail "syncd is not enabled"
getent passwd filesync >/dev/null || fail "there is no user filesync"

FILESYNC_BIN=/usr/bin .ci/use_quickstart.sh

# What the service would have made.
mkdir -p /var/lib/filesync
chown filesync:filesync /var/lib/filesync
echo "somebody's data" >/var/lib/filesync/data
echo "SYNCD_LOG_LEVEL=debug" >>/etc/default/syncd
# The same under the next version's name.
next=$(mktemp -d)
dpkg-deb -R "$debs"/filesync-server_*.deb "$next/server"
sed -i 's/^Version: .*/&+next/' "$next/server/DEBIAN/control"
dpkg-deb --root-owner-group -b "$next/server" "$next/next.deb" >/dev/null
install "$next/next.deb"
dpkg-query -W -f='${Version}' filesync-server | grep -q '+next$' || fail "it is not upgraded"
[ "$(cat /var/lib/filesync/data)" = "somebody's data" ] || fail "an upgrade loses data"
grep -q "^SYNCD_LOG_LEVEL=debug" /etc/default/syncd || fail "an upgrade loses settings"

# The engine as a library: another project finds it and builds with it.
install "$debs"/libfilesync-dev_*.deb cmake g++ make
cmake -S agent/examples/embed -B /tmp/embed >/tmp/embed.log 2>&1 && cmake --build /tmp/embed >>/tmp/embed.log 2>&1 ||
  { tail -n 30 /tmp/embed.log >&2; fail "nothing can be built with libfilesync-dev"; }
{ /tmp/embed/embed 2>&1 || true; } | grep -q "^usage" || fail "what was built does not run"

apt-get purge -y -qq filesync-server filesync-agent >/tmp/apt.log 2>&1 </dev/null ||
  { cat /tmp/apt.log >&2; fail "purge failed"; }
[ "$(cat /var/lib/filesync/data)" = "somebody's data" ] || fail "purge loses data"
for file in /usr/bin/syncd /usr/bin/syncagent /etc/default/syncd /lib/systemd/system/syncd.service \
  /etc/systemd/system/multi-user.target.wants/syncd.service; do
  [ ! -e "$file" ] || fail "purge leaves $file"
done
echo "packages: installed, used, upgraded and purged; data stays"
