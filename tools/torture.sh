# torture.sh -- ./dev torture: the nth failing call (tests/torture/torture.py), all scenarios or one, or one
# fault of it.
#
# SPDX-License-Identifier: MIT

dev_torture() # [SCENARIO [FAULT]]
{
    # shellcheck disable=SC2086
    need $for_test
    build_in build
    build_in build-asan -Dtests=true -Db_sanitize=address,undefined -Db_lundef=false # the shim is there
    [ -z "$tmp" ] || rm -rf "$tmp"
    exec env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/torture/torture.py --build build "$@"
}
