#!/bin/sh
# ns.sh -- runs a command in a private network: ns.sh [KEY=VALUE...] COMMAND [ARGUMENT...]
#
# There is nothing in that network but a loopback that is up; words such as net.core.somaxconn=16 are
# sysctls set in it beforehand. The command takes the place of this script, with its process id, and the
# network ends with the last process in it. Where no such network can be made the exit code is 77 (a test
# that is skipped) and standard error has the reason; otherwise it is the command's.
#
# SPDX-License-Identifier: MIT
set -eu

cannot()
{
    printf 'ns.sh: %s\n' "$*" >&2
    exit 77
}

if [ "${1:-}" != --inside ]; then
    why=$(unshare --net true 2>&1) || cannot "no network namespace can be made here: $why"
    exec unshare --net sh "$0" --inside "$@"
fi

shift
why=$(ip link set lo up 2>&1) || cannot "loopback cannot be set up: $why"
while case ${1:-} in net.*=*) ;; *) false ;; esac; do
    why=$(sysctl -qw "$1" 2>&1) || cannot "cannot set $1: $why"
    shift
done
exec "$@"
