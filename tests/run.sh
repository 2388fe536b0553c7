#!/usr/bin/env bash
# Builds filesync and runs its tests.
#
#   tests/run.sh [--quick | --all] [--preset dev | --preset check] [--no-install]
#
#   --quick       unit, contract and property tests and lints only
#   --all         also what needs a container engine (installs and starts it if it may)
#   --preset      how it is built: `dev` (the default) is sooner built again after a change, `check`
#                 sooner from nothing, and all the more after deploy/quickstart.sh, which builds the
#                 same programs
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
preset=dev
while [ $# -gt 0 ]; do
  case $1:${2:-} in
    --quick:*) tier=quick ;;
    --all:*) tier=all ;;
    --no-install:*) install=false ;;
    --preset:dev | --preset:check) preset=$2; shift ;;
    *)
      echo "usage: tests/run.sh [--quick | --all] [--preset dev | --preset check] [--no-install]" >&2
      exit 2
      ;;
  esac
  shift
done

if $install; then
  install_packages build test
  if [ $tier = all ]; then install_packages package compose; fi
fi
echo "== build"
began=$SECONDS
build_preset $preset
echo "   $((SECONDS - began)) s"
if [ $tier = all ]; then
  echo "== packages"
  deploy/package.sh --no-install
fi
exec /usr/bin/python3 -B tests/runner.py --build build/$preset --tier $tier
