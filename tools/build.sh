# build.sh -- build folders: set up once, compiled when something changed, quiet unless it goes wrong.
#
# SPDX-License-Identifier: MIT

quietly() # COMMAND...: its output is shown only when it fails or warns
{
    want_tmp
    if "$@" >"$tmp/output" 2>&1 </dev/null; then
        ! grep -q 'warning:' "$tmp/output" || cat "$tmp/output" >&2
    else
        cat "$tmp/output" >&2
        say "failed: $*"
        exit 1
    fi
}

build_in() # FOLDER [MESON-OPTION...]
{
    folder=$1
    shift
    if ! [ -f "$folder/build.ninja" ]; then
        say "setting up $folder/"
        quietly meson setup "$@" "$folder"
    fi
    if ! ninja -C "$folder" -n 2>/dev/null | grep -q 'no work to do'; then
        say "compiling in $folder/"
    fi
    quietly meson compile -C "$folder"
}
