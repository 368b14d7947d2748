# soak.sh -- ./dev soak: a server on each engine under every misbehaviour at once (tests/soak/soak.py).
#
# SPDX-License-Identifier: MIT

dev_soak() # DURATION [--seed N]
{
    [ $# -gt 0 ] || die 'soak wants a duration: 30s, 10m, 12h'
    # shellcheck disable=SC2086
    need $for_test
    build_in build
    [ -z "$tmp" ] || rm -rf "$tmp"
    exec env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/soak/soak.py "$@"
}
