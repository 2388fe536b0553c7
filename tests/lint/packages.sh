#!/usr/bin/env bash
# lintian on the packages in build/packages. What is overridden, and why, stands in
# deploy/debian/*.lintian-overrides.
set -euo pipefail
cd "$(dirname "$0")/../.."
lintian --fail-on error,warning --tag-display-limit 0 build/packages/*.deb
echo "lintian: clean"
