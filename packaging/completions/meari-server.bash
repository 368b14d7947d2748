# bash completion for meari-server
#
# SPDX-License-Identifier: MIT

_meari_server()
{
    local current=$2 previous=$3

    case $previous in
        --congestion)
            COMPREPLY=($(compgen -W "$(cat /proc/sys/net/ipv4/tcp_available_congestion_control 2>/dev/null)" -- "$current"))
            return
            ;;
        --engine)
            COMPREPLY=($(compgen -W 'auto io_uring epoll classic' -- "$current"))
            return
            ;;
        --log-format)
            COMPREPLY=($(compgen -W 'text json' -- "$current"))
            return
            ;;
        --sandbox)
            COMPREPLY=($(compgen -W 'auto require off' -- "$current"))
            return
            ;;
        --takeover)
            COMPREPLY=($(compgen -A file -- "$current"))
            return
            ;;
        --user)
            COMPREPLY=($(compgen -A user -- "$current"))
            return
            ;;
        -b | --backlog | --concurrency | --clients | -w | --workers | --spin | --idle-timeout | \
            --max-lifetime | --drain | --buffer | --memory | --sndbuf | --rcvbuf | --stats | --accept-delay)
            return # a number or a time
            ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '
            -b --backlog --concurrency --clients -w --workers --engine --spin --classic --idle-timeout
            --max-lifetime --drain --buffer --memory --sndbuf --rcvbuf --congestion --takeover --user
            --sandbox --stats --accept-delay --accept-pause -4 --ipv4 -6 --ipv6 -q --quiet -v --verbose --trace --log-format -h --help -V --version' -- "$current"))
    else
        COMPREPLY=($(compgen -A hostname -- "$current"))
    fi
}

complete -F _meari_server meari-server
