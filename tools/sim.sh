# sim.sh -- ./dev sim: the real server over a simulated kernel, for many seeds; see tests/sim/.
#
# SPDX-License-Identifier: MIT

build_sim() # FOLDER, which is set up
{
    quietly meson compile -C "$1" sim
}

dev_sim()
{
    # shellcheck disable=SC2086
    need $for_build
    if [ "${1:-}" = --planted ]; then
        sh tests/sim/planted.sh
        return
    fi
    build_in build
    build_sim build
    build/tests/sim/sim "$@"
}
