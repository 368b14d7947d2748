# packages.sh -- what ./dev wants from Debian, and how it gets it: need() installs what is missing, or says
# what to type.
#
# SPDX-License-Identifier: MIT

for_build='gcc libc6-dev meson ninja-build pkg-config libjansson-dev libedit-dev libseccomp-dev liburing-dev zlib1g-dev'
for_test="$for_build libcmocka-dev python3-pytest python3-pytest-xdist mandoc binutils strace iproute2 procps util-linux patch"
for_bench="$for_build python3 util-linux libuv1-dev libevent-dev libev-dev golang-go nodejs sockperf"
for_extra="$for_test $for_bench socat ncat systemd parallel default-jre-headless libhdrhistogram-java chromium"
for_format='clang-format'
for_fuzz="$for_build clang libclang-rt-14-dev"
for_ci="$for_test $for_bench $for_format $for_fuzz valgrind gcovr systemd"

missing_of() # PACKAGE...: those that are not installed
{
    # shellcheck disable=SC2016 # dpkg-query's own variables
    installed=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@" 2>/dev/null || :)"
    for package in "$@"; do
        case $installed in
        *" $package=installed "*) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

# The exact words to type instead, when we may not or can not install.
cannot_install() # WHY PACKAGE...
{
    say "these packages are missing, and $1. As root, type"
    shift
    printf '\n    apt-get update && apt-get install -y --no-install-recommends %s\n\n' "$*" >&2
    exit 2
}

# apt-get's own output goes to a file. On a terminal its progress is shown as one changing line.
apt() # ARGUMENT...
{
    {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
            -o APT::Status-Fd=1 "$@" 2>&1 </dev/null || printf 'ended:%s\n' "$?"
    } | {
        ended=0
        while IFS= read -r line; do
            case $line in
            ended:*) ended=${line#ended:} ;;
            dlstatus:*) show_percent downloading "$line" ;;
            pmstatus:*) show_percent 'installing ' "$line" ;;
            *) printf '%s\n' "$line" >>"$tmp/apt.log" ;;
            esac
        done
        ! [ -t 2 ] || printf '\r%30s\r' '' >&2
        exit "$ended"
    }
}

show_percent() # WORD STATUS-LINE, which is kind:package:percent:text
{
    [ -t 2 ] || return 0
    percent=${2#*:*:}
    printf '\rdev: %s %3s %% ' "$1" "${percent%%[.:]*}" >&2
}

need() # PACKAGE...: install those that are missing
{
    [ "${DEV_DEPS:-}" != no ] || return 0
    command -v dpkg-query >/dev/null || die "this is no Debian: install what these packages hold" \
        "($*), and set DEV_DEPS=no"
    missing=$(missing_of "$@")
    missing=${missing% }
    [ -n "$missing" ] || return 0
    as_root=
    # shellcheck disable=SC2086 # the list is meant to fall into words
    if ! command -v apt-get >/dev/null; then
        cannot_install 'there is no apt-get' $missing
    elif [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || cannot_install 'you are not root and there is no sudo' $missing
        as_root=sudo
        (: </dev/tty) 2>/dev/null || as_root='sudo -n' # nobody can type the password
    fi
    want_tmp
    : >"$tmp/apt.log"
    say "installing $missing"
    # shellcheck disable=SC2086
    apt install --no-install-recommends $missing || {
        # most often the package lists are missing or old
        apt update && apt install --no-install-recommends $missing
    } || {
        tail -n 15 "$tmp/apt.log" >&2
        cannot_install 'installing them failed' $missing
    }
}
