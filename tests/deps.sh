#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Install what building and testing need, from the distribution's packages. Idempotent.
set -eu
packages="gcc make pkg-config liburing-dev libzstd-dev libssl-dev libjansson-dev libpcre2-dev libcmocka-dev python3 clang clang-format openssl"
missing=
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
# any npm will do, also one that is no package of the distribution
command -v npm > /dev/null || missing="$missing npm"
[ -n "$missing" ] || exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing:$missing"
$sudo apt-get update -q
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $missing
