# matrix.sh -- ./dev matrix: every row of the test matrix, its state, and the test that holds it.
#
# The states know the outcome of the latest `./dev test` where there was one.
#
# SPDX-License-Identifier: MIT

dev_matrix()
{
    case ${1:-} in
    '' | --check) ;;
    *) die "matrix takes --check or nothing, not '$1'" ;;
    esac
    need python3
    # shellcheck disable=SC2086 # one word or none
    python3 tests/matrix.py ${1:-} build/results
}
