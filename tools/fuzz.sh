# fuzz.sh -- ./dev fuzz: libFuzzer on the targets in tests/fuzz, each with its corpus.
#
# New inputs go to build-fuzz/finds/NAME, where the next run finds them; into the repository's corpus they go
# only with --keep, and then only those that reach what no other input does. A crash is kept in
# build-fuzz/crashes.
#
# rows: O08
#
# SPDX-License-Identifier: MIT

fuzz_seconds=20
fuzz_at_once=4

fuzz_names()
{
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        printf '%s\n' "${name%.c}"
    done
}

# The words that run a target: its own new inputs first, then the corpus.
fuzz_run() # NAME [LIBFUZZER-ARGUMENT...]
{
    target=$1
    shift
    mkdir -p "build-fuzz/finds/$target" "tests/fuzz/corpus/$target"
    ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        "build-fuzz/tests/fuzz/fuzz_$target" -timeout=10 "-artifact_prefix=build-fuzz/crashes/$target-" \
        "$@" "build-fuzz/finds/$target" "tests/fuzz/corpus/$target"
}

# One line: how it went, or what to type to see the crash again.
fuzz_tell() # NAME LOG STATUS
{
    last=$(grep -a ' cov: ' "$2" | tail -n 1)
    execs=${last#'#'}
    coverage=${last#*cov: }
    corpus=${last#*corp: }
    printf '%-10s %9s execs, coverage %s, corpus %s' "$1" "${execs%%[!0-9]*}" "${coverage%% *}" "${corpus%% *}"
    if [ "$3" = 0 ]; then
        echo
        return
    fi
    crash=$(sed -n 's/.*Test unit written to //p' "$2" | tail -n 1)
    printf ' -- FAILED\n'
    grep -a -E 'does not hold|ERROR:|runtime error:|SUMMARY' "$2" | head -n 4
    if [ -n "$crash" ]; then
        printf 'again: build-fuzz/tests/fuzz/fuzz_%s %s\n' "$1" "$crash"
    else
        tail -n 5 "$2"
    fi
}

fuzz_one() # NAME: with its output in $tmp
{
    status=0
    fuzz_run "$1" "-max_total_time=$fuzz_seconds" >"$tmp/fuzz-$1.log" 2>&1 </dev/null || status=$?
    fuzz_tell "$1" "$tmp/fuzz-$1.log" "$status" >"$tmp/fuzz-$1.line"
    cat "$tmp/fuzz-$1.line"
    [ "$status" = 0 ] || : >"$tmp/fuzz-failed"
}

fuzz_all()
{
    want_tmp
    at_once=0
    for name in $(fuzz_names); do
        fuzz_one "$name" &
        at_once=$((at_once + 1))
        if [ "$at_once" = "$fuzz_at_once" ]; then
            wait
            at_once=0
        fi
    done
    wait
    [ ! -e "$tmp/fuzz-failed" ] || exit 1
}

fuzz_keep() # NAME
{
    say "keeping what is new for $1"
    quietly "build-fuzz/tests/fuzz/fuzz_$1" -merge=1 "tests/fuzz/corpus/$1" "build-fuzz/finds/$1"
}

dev_fuzz()
{
    keep_finds=
    if [ "${1:-}" = --keep ]; then
        keep_finds=yes
        shift
    fi
    # shellcheck disable=SC2086
    need $for_fuzz
    CC=clang build_in build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
    for name in $(fuzz_names); do
        [ -x "build-fuzz/tests/fuzz/fuzz_$name" ] ||
            die "not built: tests/fuzz/meson.build does not list '$name'"
    done
    mkdir -p build-fuzz/crashes
    if [ $# -eq 0 ]; then
        fuzz_all
        set -- $(fuzz_names)
    else
        fuzz_names | grep -qx "$1" || die "there is no fuzz target '$1': it is one of" $(fuzz_names)
        fuzz_run "$@" || exit 1
        set -- "$1"
    fi
    [ -n "$keep_finds" ] || return 0
    for name in "$@"; do
        fuzz_keep "$name"
    done
}
