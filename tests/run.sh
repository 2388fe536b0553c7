#!/usr/bin/env bash
# Builds filesync and runs its tests.
#
#   tests/run.sh [--quick | --all] [--no-install]
#
#   --quick       unit, contract and property tests and lints only
#   --all         also what needs a container engine (installs and starts it if it may)
#   --no-install  installs no packages
#
# Ends with a table of the tiers and "N passed, N failed". Exits 1 if anything failed.
set -euo pipefail
unset CDPATH
cd "$(dirname "$(readlink -f "$0")")/.."
source deploy/packages.sh
source deploy/build.sh

tier=standard
install=true
for argument in "$@"; do
  case $argument in
    --quick) tier=quick ;;
    --all) tier=all ;;
    --no-install) install=false ;;
    *) echo "usage: tests/run.sh [--quick | --all] [--no-install]" >&2; exit 2 ;;
  esac
done

if $install; then
  install_packages build test
  if [ $tier = all ]; then install_packages package compose; fi
fi
echo "== build"
began=$SECONDS
build_preset dev
echo "   $((SECONDS - began)) s"
if [ $tier = all ]; then
  echo "== packages"
  deploy/package.sh --no-install
fi
exec /usr/bin/python3 -B tests/runner.py --build build/dev --tier $tier
