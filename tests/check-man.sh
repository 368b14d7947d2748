#!/bin/sh
# check-man.sh -- every man page passes mandoc's lint, and each program's --help, its man page and its
# completion name the same options, those of its subcommands included.
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."
bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

complain()
{
    echo "$*"
    bad=1
}

options_of_help() # lines like "  -b, --backlog N      ..."
{
    sed -n 's/^ \{2,6\}\(-[^ ].*\)/\1/p' | sed 's/  .*//' | grep -oE -e '(^| )--?[A-Za-z0-9][a-z0-9-]*'
}

help_of() # PROGRAM: its own, and that of each subcommand
{
    "$1" --help
    case $1 in
        */meari-bench) for command in merge diff; do "$1" $command --help; done ;;
    esac
}

options_of_page() # lines like ".It Fl b , -backlog Ar n": Fl holds until the next macro
{
    sed -n 's/^\.It Fl /Fl /p' | sed 's/Fl Fl /Fl -/g' | awk '{
        flag = 0
        for (i = 1; i <= NF; i++)
            if ($i ~ /^[A-Z][a-z]$/)
                flag = $i == "Fl"
            else if (flag && $i ~ /^[-A-Za-z0-9]/)
                print "-" $i
    }'
}

options_of_completion() # the words that are options, wherever they stand, save those of bash itself
{
    sed 's/^ *#.*//; s/compgen -[AW]//; s/complete -F//' |
        grep -oE -e "(^|[ '\"(|])--?[A-Za-z0-9][a-z0-9-]*" | tr -d " '\"(|"
}

sorted()
{
    tr -d ' ' | sort -u
}

compare() # PROGRAM WHERE FILE: what $tmp/help and $tmp/other have not in common
{
    comm -23 "$tmp/help" "$tmp/other" | while read -r option; do
        echo "$3: $option, which $1 --help names, is missing in $2"
    done
    comm -13 "$tmp/help" "$tmp/other" | while read -r option; do
        echo "$3: $option is not in $1 --help"
    done
    cmp -s "$tmp/help" "$tmp/other" || bad=1
}

for page in man/*.1; do
    [ -e "$page" ] || { complain 'there are no man pages'; break; }
    mandoc -T lint -W warning "$page" || bad=1
done

for program in build/meari-*; do
    [ -f "$program" ] || continue
    name=${program#build/}
    page=man/$name.1
    completion=packaging/completions/$name.bash
    help_of "$program" | options_of_help | sorted >"$tmp/help"
    [ -s "$tmp/help" ] || complain "$program --help names no options"
    if [ -e "$page" ]; then
        options_of_page <"$page" | sorted >"$tmp/other"
        compare "$name" 'the man page' "$page"
    else
        complain "$page is missing"
    fi
    if [ -e "$completion" ]; then
        options_of_completion <"$completion" | sorted >"$tmp/other"
        compare "$name" 'the completion' "$completion"
    else
        complain "$completion is missing"
    fi
done
exit $bad
