#!/bin/sh
# planted.sh -- does the simulation bite? Each patch in planted/ builds one small bug into the server, and
# the simulation must complain about it in the words that stand in the head of the patch:
#
#     Complaint: an extended regular expression
#     Seeds: within so many
#
# A patch that no longer applies, or a bug that is not noticed, is a failure: then the patch has to follow
# the code, or the simulation has lost an eye. Everything is compiled once, and for each patch what it
# changes once more.
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0
: "${CC:=cc}"

object_of() # PATH
{
    printf '%s/%s.o' "$objects" "$(printf %s "$1" | tr / _)"
}

compile() # PATH, in the current folder
{
    case $1 in
    src/*) replace='-include tests/sim/replace.h' ;;
    *) replace= ;;
    esac
    # shellcheck disable=SC2086
    "$CC" -std=gnu17 -D_GNU_SOURCE -O1 -g $replace -c "$1" -o "$(object_of "$1")"
}

link_sim() # the objects in $objects
{
    "$CC" "$objects"/*.o -ljansson -lpthread -o "$objects/sim"
}

wrong()
{
    echo "$*"
    status=1
}

try() # PATCH
{
    name=$(basename "$1" .patch)
    complaint=$(sed -n 's/^Complaint: //p' "$1")
    seeds=$(sed -n 's/^Seeds: //p' "$1")
    mkdir "$tmp/$name"
    cp -R src tests "$tmp/$name"
    cp -R "$tmp/plain" "$tmp/$name/objects"
    objects=$tmp/$name/objects
    if ! patch -s -p1 -F0 -d "$tmp/$name" <"$1" >"$tmp/output" 2>&1; then
        wrong "$name: the patch does not apply: $(head -n 1 "$tmp/output")"
        return
    fi
    # shellcheck disable=SC2013 # no path has a blank
    for path in $(sed -n 's|^+++ b/||p' "$1"); do
        (cd "$tmp/$name" && compile "$path")
    done
    link_sim
    "$objects/sim" --jobs 1 --seeds "$seeds" >"$tmp/output" 2>&1 || :
    first=$(grep '^seed' "$tmp/output" | head -n 1)
    if [ -z "$first" ]; then
        wrong "$name: not noticed within $seeds seeds"
    elif ! printf %s "$first" | grep -qE "^seed [0-9]+: .*($complaint)"; then
        wrong "$name: noticed, but in other words than '$complaint': $first"
    else
        echo "$name: noticed; ${first%%; replay*}"
    fi
}

mkdir "$tmp/plain"
objects=$tmp/plain
while read -r path; do
    compile "$path"
done <tests/sim/sources.txt
link_sim
"$objects/sim" --jobs 1 --seeds 200 >"$tmp/output" || wrong "fails without any bug: $(head -n 1 "$tmp/output")"
for patch in tests/sim/planted/*.patch; do
    try "$patch"
done
exit $status
