#!/bin/sh
# check-unit.sh -- the systemd units are without a mistake, and the service is confined: an exposure of at
# most 1.5 in `systemd-analyze security`, where 0 is none and 10 is all.
#
# rows: K14
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."
if ! command -v systemd-analyze >/dev/null; then
    echo 'systemd-analyze is not installed'
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# the program as it was built, since nothing is installed
sed "s|@bindir@|$PWD/build|" packaging/systemd/meari.service.in >"$tmp/meari.service"
cp packaging/systemd/meari.socket "$tmp"

# it complains with words, and not always with its exit code
if ! systemd-analyze verify --man=no "$tmp/meari.service" "$tmp/meari.socket" >"$tmp/out" 2>&1 ||
    grep -F "$tmp" "$tmp/out"; then
    cat "$tmp/out"
    exit 1
fi
if ! systemd-analyze security --offline=true --threshold=15 "$tmp/meari.service" >"$tmp/out" 2>&1; then
    cat "$tmp/out"
    exit 1
fi
tail -n 1 "$tmp/out"
