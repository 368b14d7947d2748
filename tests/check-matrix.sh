#!/bin/sh
# check-matrix.sh -- does every test that a document names exist?
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")"
status=0
# shellcheck disable=SC2016 # the backquotes are Markdown's
for name in $(cat ../README.md ../SECURITY.md ../docs/*.md ../bench/RESULTS.md | grep -o '`test_[A-Za-z0-9_]*`' | tr -d '`' | sort -u); do
    if ! grep -rqE "^def $name\(" e2e; then
        echo "there is no test $name, which a document names"
        status=1
    fi
done
exit $status
