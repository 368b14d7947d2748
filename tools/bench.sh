# bench.sh -- ./dev bench: our server and other echo servers, side by side (bench/side-by-side).
#
# SPDX-License-Identifier: MIT

dev_bench() # [--quick] [--workload KEY]... [--starts N] [--pairs N] [--seconds S] [RIVAL...]
{
    # shellcheck disable=SC2086
    need $for_bench
    build_in build-bench -Drivals=true
    [ -z "$tmp" ] || rm -rf "$tmp"
    # the programs read MEARI_* too: what the caller has set must not change what is measured
    for variable in $(env | sed -n 's/^\(MEARI_[A-Z0-9_]*\)=.*/\1/p'); do
        unset "$variable"
    done
    exec env PYTHONDONTWRITEBYTECODE=1 python3 bench/side-by-side "$@"
}
