#!/usr/bin/env bash
# Builds filesync and runs its tests.
#
#   tests/run.sh [--all] [--no-install]
#
#   --all         also what needs a container engine (installs and starts it if it may)
#   --no-install  installs no packages
#
# Ends with "N passed, N failed", where unit tests count one by one and every other suite by its
# tests. Exits 1 if anything failed.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/packages.sh

all=false
install=true
for argument in "$@"; do
  case $argument in
    --all) all=true ;;
    --no-install) install=false ;;
    *) echo "usage: tests/run.sh [--all] [--no-install]" >&2; exit 2 ;;
  esac
done

if $install; then install_packages build test; fi
echo "== build"
cmake --preset release >/dev/null
cmake --build --preset release

passed=0
failed=0
failures=()
logs=build/test-logs
mkdir -p "$logs"

# python_suite FILE: one file of Python tests.
python_suite() {
  local file=$1 name log count bad
  name=$(basename "$file" .py)
  log="$logs/$name.log"
  echo "== $name"
  local began=$SECONDS ok=true
  /usr/bin/python3 -B "$file" -v >"$log" 2>&1 || ok=false
  count=$(sed -n 's/^Ran \([0-9]*\) tests\{0,1\} in .*/\1/p' "$log" | tail -n 1)
  bad=$(sed -n 's/^FAILED (\(.*\))$/\1/p' "$log" | tr ',' '\n' |
    sed -n 's/.*\(failures\|errors\)=\([0-9]*\).*/\2/p' | awk '{sum += $1} END {print sum + 0}')
  if [ "${count:-0}" -eq 0 ]; then ok=false; fi
  if $ok; then
    passed=$((passed + count))
  else
    [ "${bad:-0}" -gt 0 ] || bad=1
    failed=$((failed + bad))
    passed=$((passed + (${count:-0} > bad ? ${count:-0} - bad : 0)))
    failures+=("$name")
    tail -n 60 "$log"
  fi
  echo "   ${count:-0} tests, ${bad:-0} failed, $((SECONDS - began)) s"
}

echo "== unit, contract, property and integration tests"
log="$logs/ctest.log"
ctest --test-dir build/release -j2 --output-on-failure --no-tests=error >"$log" 2>&1 || {
  failures+=(ctest)
  grep -E "FAILED|Failure|error|\*\*\*" "$log" | head -n 60
  tail -n 30 "$log"
}
total=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$log" | tail -n 1)
bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of [0-9]*$/\1/p' "$log" | tail -n 1)
if [ -z "$total" ]; then failed=$((failed + 1)); fi
failed=$((failed + ${bad:-0}))
passed=$((passed + ${total:-0} - ${bad:-0}))
echo "   ${total:-0} tests, ${bad:-0} failed"

export FILESYNC_BIN="$PWD/build/release/bin"
for file in tests/lint/*_test.py tests/e2e/*_test.py; do
  case $file in
    */compose_test.py) $all || continue ;;
  esac
  if [ "$file" = tests/e2e/compose_test.py ] && $install; then install_packages compose; fi
  python_suite "$file"
done

if [ ${#failures[@]} -gt 0 ]; then
  echo "failed: ${failures[*]} (logs in $logs)"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ ${#failures[@]} -eq 0 ]
