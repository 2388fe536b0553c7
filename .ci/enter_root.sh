#!/usr/bin/env bash
# enter_root.sh ROOT DISK CACHE COMMAND...: mounts what a root needs, and runs COMMAND in its /src.
# Called by in_root, in namespaces of its own.
set -euo pipefail
root=$1 disk=$2 cache=$3
shift 3

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t tmpfs -o mode=755 run "$root/run"
mkdir -p "$root/src/build" "$root/var/tmp" "$root/var/cache/filesync-ci"
mount --bind "$disk/build" "$root/src/build"
chmod 1777 "$disk/tmp"
mount --bind "$disk/tmp" "$root/var/tmp"
mount --bind "$cache/apt" "$root/var/cache/apt/archives"
mount --bind "$cache/ccache" "$root/var/cache/filesync-ci"

environment=(HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" CCACHE_DIR=/var/cache/filesync-ci
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
# A site may have a certificate authority of its own, which this host trusts.
if [ -r /etc/ssl/certs/ca-certificates.crt ]; then
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/site-certificates.crt"
  environment+=(NODE_EXTRA_CA_CERTS=/etc/site-certificates.crt)
fi
for name in http_proxy https_proxy no_proxy; do
  if [ -n "${!name:-}" ]; then environment+=("$name=${!name}"); fi
done
exec env -i "${environment[@]}" chroot "$root" /bin/sh -c 'cd /src && exec "$@"' sh "$@"
