#!/bin/sh
# check-hardening.sh -- the programs as released are hardened as promised: optimised with -O2,
# position-independent, relocations read-only (full RELRO), no executable stack, stack protector and
# fortified library calls.
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."
build=build
bad=0

complain()
{
    echo "$*"
    bad=1
}

check() # PROGRAM
{
    headers=$(readelf -hlW "$1")
    dynamic=$(readelf -dW "$1")
    # the dynamic symbols are what it takes from libraries: the checking kinds must be among them
    symbols=$(readelf -W --dyn-syms "$1")

    echo "$headers" | grep -q 'Type: *DYN' || complain "$1: is not position-independent"
    echo "$dynamic" | grep -q 'FLAGS_1.*PIE' || complain "$1: is not position-independent"
    echo "$headers" | grep -q GNU_RELRO || complain "$1: has no RELRO"
    echo "$dynamic" | grep -q 'FLAGS.*NOW' || complain "$1: binds lazily, so its RELRO is partial"
    echo "$headers" | grep -q 'GNU_STACK.* RW ' || complain "$1: has an executable stack"
    echo "$symbols" | grep -q __stack_chk_fail || complain "$1: has no stack protector"
    echo "$symbols" | grep -q '_chk@' || complain "$1: calls no fortified function"
}

programs=$(find "$build" -maxdepth 1 -name 'meari-*' ! -name meari-lesson -type f -perm -u+x) # that one is a script
[ -n "$programs" ] || complain "no program in $build/"
for program in $programs; do
    check "$program"
done

# each compilation, as meson wrote it down
commands=$(grep '"command":' "$build/compile_commands.json")
if echo "$commands" | grep -vq -e ' -O2 '; then
    complain 'compiled without -O2:'
    echo "$commands" | grep -v -e ' -O2 ' | head -3
fi
exit $bad
