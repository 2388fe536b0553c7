#!/usr/bin/env bash
# run.sh asan|tsan TARGET: builds the tests of TARGET with sanitizers and runs them.
set -euo pipefail
cd "$(dirname "$0")/../.."
source deploy/build.sh
preset=$1
target=$2

# Reports name functions by llvm-symbolizer, which is looked for by this name.
export PATH="/usr/lib/llvm-14/bin:$PATH"
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
export LSAN_OPTIONS="suppressions=$PWD/tests/sanitizers/lsan.supp"
export TSAN_OPTIONS="suppressions=$PWD/tests/sanitizers/tsan.supp halt_on_error=1 ignore_noninstrumented_modules=1"

build_preset "$preset" "$target"
log="build/$preset.ctest.log"
# Only what was built: the other programs' tests are not there to be run.
if ! ctest --test-dir "build/$preset" -j"$(nproc)" --output-on-failure --no-tests=error \
    -E _NOT_BUILT >"$log" 2>&1; then
  grep -E "FAILED|Failure|ERROR|\*\*\*" "$log" | head -n 40 >&2 || true
  tail -n 40 "$log" >&2
  exit 1
fi
tail -n 4 "$log"
