#!/usr/bin/env bash
# Builds filesync and runs a server and two agents that keep two directories identical.
#
#   deploy/quickstart.sh [DIR_A DIR_B]
#
# Without directories it makes two fresh ones with a few files. Ctrl-C stops everything; run it
# again, and it goes on where it was. Ports: FILESYNC_PORT (50051), FILESYNC_HTTP_PORT (9464).
# With FILESYNC_BIN=DIR it runs the programs in DIR (/usr/bin for those of the packages) and
# installs and builds nothing.
set -euo pipefail
unset CDPATH
# Names are relative to where this was called.
from=$PWD
# However the same directory is written.
absolute() { (cd "$from" && realpath -m -- "$1"); }
cd "$(dirname "$(readlink -f "$0")")/.."
source deploy/packages.sh
source deploy/build.sh

home="${XDG_DATA_HOME:-${HOME:-/root}/.local/share}/filesync-quickstart"
data="$home/server"
case $# in
  0) dir_a="$home/A" dir_b="$home/B" ;;
  2)
    dir_a=$(absolute "$1") dir_b=$(absolute "$2")
    # A server for each pair, so that nothing of another pair comes into these two.
    data="$home/server-$(printf '%s\n' "$dir_a" "$dir_b" | sort | sha256sum | cut -c 1-16)"
    ;;
  *) echo "usage: deploy/quickstart.sh [DIR_A DIR_B]" >&2; exit 2 ;;
esac
for dir in "$dir_a" "$dir_b"; do
  if [ -e "$dir" ] && [ ! -d "$dir" ]; then
    echo "quickstart: $dir is not a directory" >&2
    exit 2
  fi
done

# A port that is free, from the one asked for on.
free_port() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((port + 1))
  done
  echo "$port"
}

if [ -n "${FILESYNC_BIN:-}" ]; then
  bin=$(absolute "$FILESYNC_BIN")
else
  bin="$PWD/build/release/bin"
  install_packages build
  echo "Building (the first time takes a few minutes) ..."
  build_preset release syncd syncagent
fi
for program in syncd syncagent; do
  if [ ! -x "$bin/$program" ]; then
    echo "quickstart: there is no $bin/$program" >&2
    exit 1
  fi
done

mkdir -p -- "$data" "$dir_a" "$dir_b"
if [ $# -eq 0 ] && [ -z "$(ls "$dir_a")$(ls "$dir_b")" ]; then
  mkdir -p "$dir_a/notes" "$dir_b/photos"
  echo "This file was made in A." >"$dir_a/welcome.txt"
  cp README.md "$dir_a/notes/about-filesync.md"
  head -c 200000 /dev/urandom >"$dir_b/photos/not-really-a-photo.jpg"
fi
port=$(free_port "${FILESYNC_PORT:-50051}")
http=$(free_port "${FILESYNC_HTTP_PORT:-9464}")

pids=()
stop() {
  # Whatever happens to the terminal, nothing is left running.
  trap '' INT TERM HUP
  trap - EXIT
  set +e
  { echo; echo "Stopping ..."; } 2>/dev/null
  local i
  # The agents first, the server last.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill -TERM "${pids[$i]}" 2>/dev/null || continue
    wait "${pids[$i]}" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  echo "Stopped. Run it again to go on." 2>/dev/null
}
trap 'stop; exit 0' INT TERM HUP
trap '' PIPE
trap stop EXIT

# run LABEL COMMAND...: in the background, every line of output behind its label. In a session
# of its own, so that Ctrl-C reaches it only through stop().
run() {
  local label=$1
  shift
  setsid "$@" > >(exec setsid sed -u "s/^/$label | /") 2>&1 &
  pids+=($!)
}

run "server " "$bin/syncd" --listen "127.0.0.1:$port" --data "$data" \
  --http "127.0.0.1:$http"
for _ in $(seq 100); do
  "$bin/syncd" healthcheck --listen "127.0.0.1:$port" >/dev/null 2>&1 && break
  if ! kill -0 "${pids[0]}" 2>/dev/null; then
    echo "quickstart: the server did not start; see its lines above" >&2
    exit 1
  fi
  sleep 0.1
done
# What answered may be somebody else's.
sleep 0.2
if ! kill -0 "${pids[0]}" 2>/dev/null; then
  echo "quickstart: the server did not start; see its lines above" >&2
  exit 1
fi
# Its port may be another one than the last time.
run "agent A" "$bin/syncagent" --server "127.0.0.1:$port" --rebind --yes --name A "$dir_a"
run "agent B" "$bin/syncagent" --server "127.0.0.1:$port" --rebind --yes --name B "$dir_b"

cat <<EOF

A server and two agents are running:

  A       $dir_a
  B       $dir_b
  server  127.0.0.1:$port, metrics on http://127.0.0.1:$http/metrics

Try:      echo hello > $(printf %q "$dir_a/hello.txt") && sleep 1 && cat $(printf %q "$dir_b/hello.txt")
Status:   $(printf %q "$bin/syncagent") status $(printf %q "$dir_b")
Stop:     Ctrl-C

EOF
wait -n "${pids[@]}" || true
echo "quickstart: one of the programs ended; stopping the others" >&2
exit 1
