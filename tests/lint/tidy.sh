#!/usr/bin/env bash
# clang-tidy. The quick checks on all C++ sources, each library as one source; all checks, the
# analyzer's with them, on those that changed since the last release: the last tag or, in a
# checkout without tags, the commit that gave the project its version.
#
#   tests/lint/tidy.sh [--all]
#
#   --all  all checks on all sources; takes half an hour
#
# Needs the preset `thread-safety` built.
set -euo pipefail
cd "$(dirname "$0")/../.."
all=false
case "$#:${1:-}" in
  0:) ;;
  1:--all) all=true ;;
  *) echo "usage: tests/lint/tidy.sh [--all]" >&2; exit 2 ;;
esac

# tidy DATABASE OPTION...: on the files that stdin names, as many at once as there are processors.
tidy() {
  local database=$1
  shift
  xargs -r -P "$(nproc)" -n 1 clang-tidy-14 -p "$database" --quiet --warnings-as-errors='*' "$@" \
    2>/dev/null
}

quick="-clang-analyzer-*,-bugprone-suspicious-include"
find build/thread-safety -path '*/Unity/*.cxx' | sort | tidy build/thread-safety --checks="$quick"
echo "clang-tidy, quick checks: all libraries are clean"

# One entry for each source.
cmake --preset thread-safety -B build/tidy -DCMAKE_UNITY_BUILD=OFF >/dev/null
cmake --build build/tidy --target protos/all >/dev/null
if $all; then
  changed=$(git ls-files '*.cc')
else
  base=$(git describe --tags --abbrev=0 2>/dev/null ||
    git log -1 --format=%H -G'^project\(filesync VERSION' -- CMakeLists.txt)
  changed=$(git diff --name-only --diff-filter=d "$base" HEAD -- '*.cc')
fi
files=$(grep -v -e '_test\.cc$' -e '_benchmark\.cc$' -e '^tests/' -e '/examples/' <<<"$changed" || true)
[ -z "$files" ] || echo "$files" | tidy build/tidy
echo "clang-tidy, all checks: $(grep -c . <<<"$files" || true) changed sources are clean"
