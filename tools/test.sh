# test.sh -- ./dev test: the parts of a test run, their results, and their sum (tests/tally.py).
#
# rows: O01 O06 (both engines)
#
# SPDX-License-Identifier: MIT

. tools/sim.sh

# Every part of a test run leaves NAME.exit (its exit code), NAME.log and, where it knows single
# tests, NAME*.xml in a folder of its own under $results; tests/tally.py sums them up.
results=build/results

# Exit code 99 tells a sanitizer's verdict from the programs' own 1. A crash is theirs, not cmocka's.
ASAN_OPTIONS=exitcode=99:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
ASAN_OPTIONS=$ASAN_OPTIONS:check_initialization_order=1:handle_segv=2:handle_sigbus=2:handle_sigfpe=2
UBSAN_OPTIONS=exitcode=99:halt_on_error=1:print_stacktrace=1

# A second signal ends the server at once, under its threads: they are not joined then, and that is no
# leak. No race is excused: the list of suppressions is empty.
TSAN_OPTIONS=exitcode=99:report_thread_leaks=0:suppressions=$PWD/tests/tsan.suppressions

# valgrind looks at what the sanitizers cannot: the programs as they are released. Their errors end in 98.
VALGRIND='valgrind -q --error-exitcode=98 --leak-check=full --errors-for-leak-kinds=definite,indirect'

part() # TITLE FOLDER
{
    printf '%-28s' "$1"
    into=$results/$2
    mkdir -p "$into"
}

record() # NAME SECONDS COMMAND...: runs it, keeps its output and its exit code, shows a dot or an F
{
    name=$1
    limit=$2
    shift 2
    code=0
    timeout --foreground -k 10 "$limit" "$@" >"$into/$name.log" 2>&1 </dev/null || code=$?
    printf '%s\n' "$code" >"$into/$name.exit"
    case $code in
    0) printf . ;;
    77) printf s ;;
    *) printf F ;;
    esac
}

c_tests() # FOLDER [BUILD-FOLDER]: every test_*.c there, one program each
{
    part "$1" "$1"
    for source in tests/"$1"/test_*.c; do
        name=$(basename "$source" .c)
        program=${2:-build-asan}/tests/$1/$name
        if ! [ -x "$program" ]; then
            record "$name" 1 sh -c "echo 'not built: tests/$1/meson.build does not list it'; exit 1"
            continue
        fi
        record "$name" 300 env ASAN_OPTIONS="$ASAN_OPTIONS" UBSAN_OPTIONS="$UBSAN_OPTIONS" \
            TSAN_OPTIONS="$TSAN_OPTIONS" CMOCKA_MESSAGE_OUTPUT=XML CMOCKA_XML_FILE="$into/$name.%g.xml" "$program"
    done
    echo
}

# Each input of a corpus once, by the target that it was kept for.
corpora() # [BUILD-FOLDER]
{
    part 'fuzz corpora' fuzz
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        program=${1:-build-asan}/tests/fuzz/$name
        if ! [ -x "$program" ]; then
            record "$name" 1 sh -c "echo 'not built: tests/fuzz/meson.build does not list it'; exit 1"
            continue
        fi
        record "$name" 300 env ASAN_OPTIONS="$ASAN_OPTIONS" UBSAN_OPTIONS="$UBSAN_OPTIONS" \
            "$program" "tests/fuzz/corpus/${name#fuzz_}"
    done
    echo
}

checks()
{
    part checks checks
    for script in tests/check-*.sh; do
        record "$(basename "$script" .sh)" 300 sh "$script"
    done
    echo
}

# The server over a simulated kernel (tools/sim.sh).
simulation()
{
    part simulation simulation
    build_sim build
    record sim 300 build/tests/sim/sim --seeds 30000
    record sim-twice 300 build/tests/sim/sim --from 40001 --seeds 1000 --twice
    record sim-sanitized 300 env ASAN_OPTIONS="$ASAN_OPTIONS" UBSAN_OPTIONS="$UBSAN_OPTIONS" \
        build-asan/tests/sim/sim --from 50001 --seeds 1000
    record sim-planted 600 sh tests/sim/planted.sh
    echo
}

torture()
{
    part torture torture
    record torture 900 env PYTHONDONTWRITEBYTECODE=1 "$python" tests/torture/torture.py --build build \
        --xml "$into/torture.xml"
    record sanitized 900 env PYTHONDONTWRITEBYTECODE=1 ASAN_OPTIONS="$ASAN_OPTIONS" \
        UBSAN_OPTIONS="$UBSAN_OPTIONS" "$python" tests/torture/torture.py --build build-asan --once \
        --xml "$into/sanitized.xml"
    echo
}

# Debian's interpreter is the one python3-pytest belongs to; another may come first in PATH.
python_with_pytest()
{
    for python in /usr/bin/python3 python3; do
        ! "$python" -c 'import pytest, xdist' 2>/dev/null || return 0
    done
    die 'no python3 here has pytest and xdist'
}

# Most of a test is waiting, so several run at once, each in a network of its own: no port that one waits for
# is taken by another. Where no such network can be made they run one after another.
at_once()
{
    if unshare --net ip link set lo up 2>/dev/null; then
        echo $((2 * $(nproc)))
    else
        echo 0
    fi
}

end_to_end() # TITLE BUILD-FOLDER MARKER [WORD...]
{
    part "$1" "e2e-$2"
    echo
    folder=$PWD/$2
    marker=$3
    shift 3
    case " $*" in
    *' tests/'*) ;;
    *) set -- "$@" tests/e2e ;;
    esac
    code=0
    # a test that hangs shows where after two minutes; after twenty, pytest is interrupted and reports
    MEARI_BUILD=$folder ASAN_OPTIONS=$ASAN_OPTIONS UBSAN_OPTIONS=$UBSAN_OPTIONS \
        TSAN_OPTIONS=$TSAN_OPTIONS \
        PYTHONDONTWRITEBYTECODE=1 timeout --foreground -s INT -k 60 1200 \
        "$python" -m pytest -q --tb=short -p no:cacheprovider -n "$(at_once)" -o faulthandler_timeout=120 \
        --junitxml="$into/pytest.xml" -m "$marker" "$@" </dev/null || code=$?
    if [ "$code" = 5 ]; then # no test was selected
        case $marker in # those marked 'once' may be all that were asked for: their run comes later
        *'not once'*) code=0 ;;
        *) say "no test matches: $*" ;;
        esac
    fi
    printf '%s\n' "$code" >"$into/pytest.exit"
}

# The client is left out: it has one thread.
under_tsan() # [WORD...]
{
    build_in build-tsan -Dtests=true -Db_sanitize=thread -Db_lundef=false
    build_in build-asan -Dtests=true -Db_sanitize=address,undefined -Db_lundef=false # the shim is there
    if [ $# -eq 0 ]; then
        c_tests unit build-tsan
        c_tests engines build-tsan
        set -- --ignore-glob='*/test_client*'
    fi
    end_to_end 'end to end, threads' build-tsan 'not extra and not once' "$@"
}

# The echo, the client and the service of the epoll engine, behind a prefix (tests/e2e/conftest.py). Left out
# is what measures memory or time, what looks for the program behind the prefix or closes the descriptor
# that valgrind would report to, and the rest of what takes it long.
under_valgrind() # [WORD...]
{
    if [ $# -eq 0 ]; then
        slow='idle_connection_costs or 64_mib or echo_ahead or any_length or single_bytes or slow_reader or interleaved'
        strange='cannot_be_written or in_pieces or thinking or ignored_by_the_caller'
        set -- -k "not classic and not io_uring and not ($slow or $strange)" tests/e2e/test_server_echo.py tests/e2e/test_client.py \
            tests/e2e/test_client_raw.py
    fi
    mkdir -p "$results/valgrind"
    export MEARI_PREFIX="$VALGRIND --log-file=$PWD/$results/valgrind/%p.txt"
    export MEARI_SANDBOX=off  # valgrind makes calls of its own
    export MEARI_ENGINE=epoll # and knows too little of io_uring
    end_to_end 'end to end, valgrind' build 'not extra and not once' "$@"
    # (a program that a signal killed is in there with all it held, and no test minds)
    [ "$code" = 0 ] || find "$results/valgrind" -name '*.txt' -size +0 -exec cat {} +
}

dev_test()
{
    extra=
    case ${1:-} in
    --extra | --tsan | --valgrind)
        extra=${1#--}
        shift
        ;;
    esac
    # the programs read MEARI_* too: what the caller has set must not change the tests
    for variable in $(env | sed -n 's/^\(MEARI_[A-Z0-9_]*\)=.*/\1/p'); do
        unset "$variable"
    done
    # shellcheck disable=SC2086
    case $extra in
    extra) need $for_extra ;;
    valgrind) need $for_test valgrind ;;
    *) need $for_test ;;
    esac
    python_with_pytest
    build_in build
    rm -rf "$results"
    case $extra in
    extra)
        build_in build-bench -Drivals=true
        end_to_end 'with other programs' build extra "$@"
        ;;
    tsan) under_tsan "$@" ;;
    valgrind) under_valgrind "$@" ;;
    '')
        build_in build-asan -Dtests=true -Db_sanitize=address,undefined -Db_lundef=false
        if [ $# -eq 0 ]; then
            c_tests unit
            c_tests engines
            corpora
            simulation
            torture
            checks
        fi
        end_to_end 'end to end, sanitizers' build-asan 'not extra and not once' "$@"
        end_to_end 'end to end, as released' build 'not extra' "$@"
        ;;
    esac
    "$python" tests/tally.py "$results" tests/allowed-skips.txt
}
