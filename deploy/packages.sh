# The Debian packages that filesync needs, in one list; sourced by the scripts that install them.
#
#   install_packages build test …   installs what is missing of these groups

PACKAGES_build="build-essential ccache cmake mold ninja-build pkg-config libgrpc++-dev libgrpc-dev
  libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libabsl-dev librocksdb-dev libzstd-dev
  libsodium-dev libsqlite3-dev libsystemd-dev libcli11-dev libtomlplusplus-dev libspdlog-dev
  libfmt-dev libcpp-httplib-dev libssl-dev libbrotli-dev librust-blake3-dev prometheus-cpp-dev
  libcivetweb-dev libcurl4-openssl-dev zlib1g-dev libbz2-dev liblz4-dev libsnappy-dev
  libgflags-dev libc-ares-dev libre2-dev"
PACKAGES_test="libgtest-dev libgmock-dev librapidcheck-dev python3 python3-grpcio python3-fusepy
  strace git zsh fish groff-base systemd xfsprogs"
PACKAGES_package="debhelper"
PACKAGES_lint="clang-14 libclang-rt-14-dev llvm-14 clang-tidy-14 clang-format-14 lintian npm ca-certificates"
PACKAGES_bench="libbenchmark-dev rsync iproute2"
PACKAGES_compose="docker.io docker-compose debootstrap golang-go ca-certificates python3"
PACKAGES_root="debootstrap systemd-container"

# Runs a command as root: directly, or by sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    echo "This needs root, and there is no sudo: run it as root: $*" >&2
    return 1
  fi
}

# What of the groups named is not installed.
missing_packages() {
  local group package list
  for group in "$@"; do
    list="PACKAGES_$group"
    for package in ${!list}; do
      # These may have come another way, and Debian's would be a second one.
      if [ "$package" = npm ] && command -v npm >/dev/null 2>&1; then continue; fi
      if [ "$package" = golang-go ] && command -v go >/dev/null 2>&1; then continue; fi
      dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
        echo "$package"
    done
  done
}

install_packages() {
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "No apt-get here: install the equivalents of these Debian packages yourself:" >&2
    local group list
    for group in "$@"; do
      list="PACKAGES_$group"
      echo ${!list} >&2
    done
    return 1
  fi
  local missing
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  echo "Installing:" $missing
  as_root apt-get update -qq
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
    >/dev/null
}
