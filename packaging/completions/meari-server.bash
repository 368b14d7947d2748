# bash completion for meari-server
#
# SPDX-License-Identifier: MIT

_meari_server()
{
    local current=$2 previous=$3

    case $previous in
        --engine)
            COMPREPLY=($(compgen -W 'auto epoll classic' -- "$current"))
            return
            ;;
        --log-format)
            COMPREPLY=($(compgen -W 'text json' -- "$current"))
            return
            ;;
        -b | --backlog | --concurrency | --clients | -w | --workers | --idle-timeout | \
            --max-lifetime | --drain | --buffer | --sndbuf | --rcvbuf)
            return # a number or a time
            ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '
            -b --backlog --concurrency --clients -w --workers --engine --classic --idle-timeout
            --max-lifetime --drain --buffer --sndbuf --rcvbuf -4 --ipv4 -6 --ipv6 -q --quiet
            -v --verbose --log-format -h --help -V --version' -- "$current"))
    else
        COMPREPLY=($(compgen -A hostname -- "$current"))
    fi
}

complete -F _meari_server meari-server
