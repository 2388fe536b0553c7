#!/usr/bin/env bash
# Runs deploy/quickstart.sh as somebody does who has nothing else: a save goes from A to B and one
# from B to A, Ctrl-C stops it, nothing is left running. Uses bash and coreutils only.
set -euo pipefail
cd "$(dirname "$0")/.."
export XDG_DATA_HOME
XDG_DATA_HOME=$(mktemp -d)
home="$XDG_DATA_HOME/filesync-quickstart"

fail() {
  echo "quickstart: $1" >&2
  kill -KILL -- "-$pid" 2>/dev/null || true
  exit 1
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || fail "it ended before $what"
    [ $SECONDS -lt $deadline ] || fail "waited in vain: $what"
    sleep 0.1
  done
}

holds() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

# In a group of its own, and with Ctrl-C not ignored, as at a terminal.
set -m
env --default-signal=INT deploy/quickstart.sh &
pid=$!
set +m
wait_for 1500 "A's first file is in B" test -e "$home/B/welcome.txt"
echo "a save in A" >"$home/A/save.txt"
wait_for 30 "a save goes from A to B" holds "$home/B/save.txt" "a save in A"
echo "an answer in B" >"$home/B/save.txt"
wait_for 30 "a save goes from B to A" holds "$home/A/save.txt" "an answer in B"

kill -INT -- "-$pid"
code=0
wait "$pid" || code=$?
[ "$code" -eq 0 ] || fail "it ended with $code after Ctrl-C"
for process in /proc/[0-9]*; do
  case $(readlink "$process/exe" 2>/dev/null) in
    */syncd | */syncagent) fail "${process#/proc/} is left running" ;;
  esac
done
rm -rf "$XDG_DATA_HOME"
echo "quickstart: saves went both ways, and Ctrl-C stopped it"
