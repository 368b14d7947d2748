#!/bin/sh
# meari-lesson -- six experiments on listen(2), its backlog, and the end of a conversation.
#
# An experiment is a function (experiments.sh): it starts a real server and real clients, says what it does, waits for what
# the lesson says will happen, shows what each side printed, and compares the numbers. It never waits for a while and
# hopes: await() asks again until the thing is there. What a program printed is shown when the step is over, all of one
# side before the other, so a run reads the same each time.
#
# It wants a POSIX shell, coreutils, grep, sed, awk, and for experiment 4 unshare, nsenter (util-linux) and ip. The kernel
# is asked through /proc/net/tcp (IPv4, the network that we are in).
#
# This file is joined with the others of its folder into one script: print.sh, sides.sh, known.sh, experiments.sh, main.sh.
#
# SPDX-License-Identifier: MIT
set -eu

version=@VERSION@
patience=1200 # looks, 50 ms apart, for what must come
tmp=

usage()
{
    cat <<'END'
usage: meari-lesson [N]

Run experiment N of the lesson, both sides of it, in this terminal. Without N, list them.

  1  one client after another: the second one waits in the backlog
  2  why a backlog of 5 admits 6
  3  the seventh client: its SYN, and when it is sent again
  4  net.core.somaxconn, which clamps what you ask for
  5  half-close: who has said everything still gets every byte
  6  what a reset does to bytes that nobody has read

options:
  -h, --help                show this
  -V, --version             show the version

docs/lesson.md tells them with the commands for two terminals, and why. Exit code: 0 it was as the lesson
says, 1 this kernel did otherwise, 2 could not run.
END
}

# --- what is printed ----------------------------------------------------------------------------

# Lines in front of which a side stands are that side's own; the others are ours.
colours()
{
    dim='' bold='' server_colour='' client_colour='' plain=''
    if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
        dim=$(printf '\033[2m') bold=$(printf '\033[1m') plain=$(printf '\033[0m')
        server_colour=$(printf '\033[36m') client_colour=$(printf '\033[33m')
    fi
}

step()
{
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

typed() # COMMAND...: what you would type for this
{
    printf '%s  $ %s%s\n' "$dim" "$*" "$plain"
}

said() # SIDE: stdin, line by line, behind its name
{
    case $1 in
    server) colour=$server_colour ;;
    client*) colour=$client_colour ;;
    *) colour=$dim ;;
    esac
    while IFS= read -r line; do
        printf '%s%-8s |%s %s\n' "$colour" "$1" "$plain" "$line"
    done
}

# What a side printed since we last looked. The lines about the server's sandbox and about all listeners of the
# system are no part of the lesson.
show() # SIDE...
{
    for side; do
        seen=0
        eval "seen=\${seen_$side:-0}"
        now=$(wc -l <"$tmp/$side.log")
        sed -n "$((seen + 1)),${now}{ /^confined as /d; /^in this network namespace/d; p; }" "$tmp/$side.log" |
            said "$(name_of "$side")"
        eval "seen_$side=$now"
    done
}

name_of() # SIDE: client_2 is "client 2"
{
    echo "$1" | tr _ ' '
}

die()
{
    printf 'meari-lesson: %s\n' "$*" >&2
    exit 2
}

so() # WHAT CONDITION...: what the lesson says, and whether it is so
{
    what=$1
    shift
    if ! "$@"; then
        printf 'NOT SO   %s\n' "$what"
        exit 1
    fi
    printf '%sso it is%s  %s\n' "$bold" "$plain" "$what"
}

