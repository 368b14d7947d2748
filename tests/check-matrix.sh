#!/bin/sh
# check-matrix.sh -- does every test that tests/matrix.md names exist?
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")"
status=0
for name in $(grep -o '`test_[A-Za-z0-9_]*`' matrix.md | tr -d '`' | sort -u); do
    if ! grep -rqE "^def $name\(" e2e; then
        echo "tests/matrix.md: there is no test $name"
        status=1
    fi
done
exit $status
