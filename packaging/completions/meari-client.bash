# bash completion for meari-client
#
# SPDX-License-Identifier: MIT

_meari_client()
{
    local current=$2 previous=$3

    case $previous in
        --timeout | --connect-timeout)
            return # a time
            ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '
            --raw --timeout --connect-timeout -4 --ipv4 -6 --ipv6 -q --quiet -v --verbose --trace
            -h --help -V --version' -- "$current"))
    else
        COMPREPLY=($(compgen -A hostname -- "$current"))
    fi
}

complete -F _meari_client meari-client
