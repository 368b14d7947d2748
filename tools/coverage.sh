# coverage.sh -- ./dev coverage: what the tests reach of src/, per file and in all, against the goal.
#
# A build with counters runs the unit and engine tests, the fuzz corpora, the simulation, the torture and the
# end-to-end tests; gcovr sums the counters up, without the arms of asserts, and tests/coverage.py judges. Whether the
# tests pass is for ./dev test to say: here a failed one is only named.
#
# A program that ends by _exit(2) writes its counters, too (tests/counted-exit.c). One that a signal kills does
# not: what runs only then is in tests/uncovered.txt, as is all else that no test reaches.
#
# rows: O09
#
# SPDX-License-Identifier: MIT

. tools/test.sh
results=build-coverage/results

dev_coverage()
{
    takes_nothing coverage "$@"
    # shellcheck disable=SC2086
    need $for_test gcovr
    python_with_pytest
    rm -rf build-coverage # what an earlier state of the tree left would be summed up as well
    # several threads count at once; LTO would be in the way, and without optimisation lines are lines
    build_in build-coverage -Dtests=true -Db_coverage=true -Doptimization=0 -Dc_args=-fprofile-update=atomic
    build_in build-asan -Dtests=true -Db_sanitize=address,undefined -Db_lundef=false # the shim is there
    for variable in $(env | sed -n 's/^\(MEARI_[A-Z0-9_]*\)=.*/\1/p'); do
        unset "$variable"
    done
    # servers that became somebody else count in the same files, and say nothing where they cannot
    umask 0
    find build-coverage -type d -exec chmod a+rwx {} +
    export GCOV_ERROR_FILE=/dev/null
    c_tests unit build-coverage
    c_tests engines build-coverage
    corpora build-coverage
    part simulation simulation
    quietly meson compile -C build-coverage sim
    record sim 300 build-coverage/tests/sim/sim --seeds 500
    echo
    part torture torture
    record torture 900 env PYTHONDONTWRITEBYTECODE=1 "$python" tests/torture/torture.py --build build-coverage \
        --xml "$into/torture.xml"
    echo
    end_to_end 'end to end, counted' build-coverage 'not extra'
    "$python" tests/tally.py "$results" tests/allowed-skips.txt || say 'some tests failed in this build'
    gcovr -r . --object-directory build-coverage -f 'src/' --json build-coverage/coverage.json \
        --exclude-lines-by-pattern '\s*assert\(' --exclude-branches-by-pattern '\s*assert\(' \
        --exclude-unreachable-branches --exclude-throw-branches || exit 2
    "$python" tests/coverage.py build-coverage/coverage.json tests/uncovered.txt
}
