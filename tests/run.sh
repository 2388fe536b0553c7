#!/usr/bin/env bash
# Builds filesync and runs its tests.
#
#   tests/run.sh [--quick | --faults | --all] [--preset dev | --preset check] [--no-install]
#
#   --quick       unit, contract and property tests and lints only
#   --faults      power cuts and failing calls only: some minutes, for a change to what is written
#                 where, and in which order
#   --all         everything: these, and what needs a container engine (installs and starts it if it may)
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

usage() {
  echo "usage: tests/run.sh [--quick | --faults | --all] [--preset dev | --preset check]" \
    "[--no-install]" >&2
  exit 2
}

tier=standard
install=true
preset=dev
while [ $# -gt 0 ]; do
  case $1 in
    --quick) tier=quick ;;
    --faults) tier=faults ;;
    --all) tier=all ;;
    --no-install) install=false ;;
    --preset)
      preset=${2:-}
      case $preset in dev | check) shift ;; *) usage ;; esac
      ;;
    *) usage ;;
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
