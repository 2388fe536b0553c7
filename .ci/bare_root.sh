# Roots of a Debian 12 with nothing but what debootstrap puts there; sourced by .ci/run, in a mount
# namespace of its own.
#
#   prepare_roots WORK CACHE    makes WORK/roots/bare
#   copy_root NAME              makes WORK/roots/NAME of it
#   copy_checkout NAME          puts this checkout into its /src
#   in_root NAME COMMAND...     runs COMMAND in /src there
#
# Roots are in memory where there is enough, as they are many small files; what is built (/src/build)
# and what is large (/var/tmp) is on disk, in WORK/NAME.

ROOTS_MEMORY_GIB=16

prepare_roots() {
  roots_work=$1
  roots_cache=$2
  mkdir -p "$roots_work/roots"
  local available
  available=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  if [ "$available" -ge $ROOTS_MEMORY_GIB ]; then
    mount -t tmpfs -o size=10g,mode=755 filesync-ci "$roots_work/roots"
  fi
  debootstrap --variant=minbase --cache-dir="$roots_cache/debootstrap" bookworm \
    "$roots_work/roots/bare" "${FILESYNC_CI_MIRROR:-http://deb.debian.org/debian}" >/dev/null
  cp /etc/resolv.conf "$roots_work/roots/bare/etc/resolv.conf"
}

copy_root() {
  cp -a "$roots_work/roots/bare" "$roots_work/roots/$1"
  mkdir -p "$roots_work/$1/build" "$roots_work/$1/tmp"
}

copy_checkout() {
  local source="$roots_work/roots/$1/src"
  mkdir -p "$source"
  tar --exclude=./build -cf - . | tar --no-same-owner -xf - -C "$source"
}

in_root() {
  local name=$1
  shift
  # Processes that a command leaves behind end with it, and all end with the pipeline.
  setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child \
    .ci/enter_root.sh "$roots_work/roots/$name" "$roots_work/$name" "$roots_cache" "$@"
}
