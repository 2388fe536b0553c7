#!/usr/bin/env bash
# What is checked of the sources themselves: format, protocol, clang's lock analysis, clang-tidy.
# Needs the packages of `build` and `lint`.
set -euo pipefail
cd "$(dirname "$0")/../.."
source deploy/build.sh

git ls-files '*.h' '*.cc' | xargs clang-format-14 --dry-run --Werror
echo "clang-format: clean"
npx --yes @bufbuild/buf@1.47.2 lint protos
echo "buf lint: clean"
build_preset thread-safety filesync_libraries
echo "lock analysis: clean"
tests/lint/tidy.sh
