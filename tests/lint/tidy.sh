#!/usr/bin/env bash
# clang-tidy on the C++ sources that changed last: those of the newest commits, at most
# FILESYNC_TIDY_FILES (12) of them, because each takes many seconds.
set -euo pipefail
cd "$(dirname "$0")/../.."
most=${FILESYNC_TIDY_FILES:-12}
base=$(git rev-list -n 1 --skip=5 HEAD 2>/dev/null || true)
if [ -n "$base" ]; then
  changed=$(git diff --name-only --diff-filter=d "$base" HEAD -- '*.cc')
else
  changed=$(git ls-files '*.cc')
fi
files=$(echo "$changed" | grep -v '_test\.cc$' | grep -v '_benchmark\.cc$' | head -n "$most" || true)
[ -n "$files" ] || { echo "no sources changed"; exit 0; }
# shellcheck disable=SC2086
clang-tidy-14 -p "${FILESYNC_TIDY_BUILD:-build/thread-safety}" --quiet --warnings-as-errors='*' $files 2>/dev/null
echo "clang-tidy: $(echo "$files" | wc -l) files are clean"
