#!/usr/bin/env bash
# Makes the Debian packages filesync-server, filesync-agent and libfilesync-dev in build/packages.
#
#   deploy/package.sh [--no-install]
#
#   --no-install  installs no packages
#
# Builds first what is not built. When build/packages holds the packages of these very sources,
# made for a system like this one, nothing is done: so images take over what was built outside.
set -euo pipefail
unset CDPATH
cd "$(dirname "$(readlink -f "$0")")/.."
source deploy/packages.sh
source deploy/build.sh

install=true
case "$#:${1:-}" in
  0:) ;;
  1:--no-install) install=false ;;
  *) echo "usage: deploy/package.sh [--no-install]" >&2; exit 2 ;;
esac

debs="$PWD/build/packages"

# What the packages are made of, and for what system: one digest.
source_digest() {
  {
    (. /etc/os-release && echo "$ID ${VERSION_ID:-}")
    dpkg --print-architecture
    find CMakeLists.txt CMakePresets.json protos libs services agent docs deploy tests/CMakeLists.txt \
      -type f ! -name '*_test.cc' ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  } | sha256sum | cut -d ' ' -f 1
}

# SOURCES: the digest, then the packages' own.
packages_are_there() {
  [ "$(head -n 1 "$debs/SOURCES" 2>/dev/null)" = "$digest" ] &&
    [ "$(find "$debs" -name '*.deb' | wc -l)" -eq 3 ] &&
    (cd "$debs" && tail -n +2 SOURCES | sha256sum --check --status)
}

if ! command -v dpkg >/dev/null 2>&1; then
  echo "package.sh: Debian packages are made on Debian: there is no dpkg here" >&2
  exit 1
fi
mkdir -p build
exec 9>build/.package.lock
flock 9
digest=$(source_digest)
if packages_are_there; then
  echo "build/packages holds the packages of these sources."
  exit 0
fi

if $install; then install_packages build package; fi
echo "Building the programs ..."
build_preset release

echo "Making the packages ..."
rm -rf build/package
rm -f "$debs"/*.deb "$debs/SOURCES"
mkdir -p build/package "$debs"
cp -R deploy/debian build/package/debian
version=$(sed -n 's/^project(filesync VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
maintainer=$(sed -n 's/^Maintainer: //p' deploy/debian/control)
cat >build/package/debian/changelog <<END
filesync ($version) stable; urgency=medium

  * Version $version; what is new is told in the project's commits.

 -- $maintainer  $(date -R ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"})
END
log="$PWD/build/package.log"
if ! (cd build/package &&
  FILESYNC_SOURCE="$OLDPWD" FILESYNC_DEBS="$debs" DEB_BUILD_OPTIONS=noautodbgsym \
    DEB_RULES_REQUIRES_ROOT=no debian/rules binary) >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "Making the packages failed; everything it printed is in $log" >&2
  exit 1
fi
(cd "$debs" && { echo "$digest"; sha256sum -- *.deb; } >SOURCES)
(cd "$debs" && ls -- *.deb)
