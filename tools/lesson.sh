# lesson.sh -- ./dev lesson: an experiment of the lesson, with the programs of build/.
#
# SPDX-License-Identifier: MIT

dev_lesson()
{
    # shellcheck disable=SC2086
    need $for_build
    build_in build
    [ -z "$tmp" ] || rm -rf "$tmp" # nobody else will
    exec build/meari-lesson "$@"
}
