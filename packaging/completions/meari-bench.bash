# bash completion for meari-bench
#
# SPDX-License-Identifier: MIT

_meari_bench()
{
    local current=$2 previous=$3

    case ${COMP_WORDS[1]} in
        merge)
            if [[ $current == -* ]]; then
                COMPREPLY=($(compgen -W '-o --output -h --help -V --version' -- "$current"))
            else
                COMPREPLY=($(compgen -A file -- "$current"))
            fi
            return
            ;;
        diff)
            if [[ $current == -* ]]; then
                COMPREPLY=($(compgen -W '--threshold -h --help -V --version' -- "$current"))
            elif [[ $previous != --threshold ]]; then # which takes a percentage
                COMPREPLY=($(compgen -A file -- "$current"))
            fi
            return
            ;;
    esac
    case $previous in
        --html | --hdr-log)
            COMPREPLY=($(compgen -A file -- "$current"))
            return
            ;;
        --arrival)
            COMPREPLY=($(compgen -W 'constant poisson' -- "$current"))
            return
            ;;
        --congestion)
            COMPREPLY=($(compgen -W "$(cat /proc/sys/net/ipv4/tcp_available_congestion_control 2>/dev/null)" -- "$current"))
            return
            ;;
        --engine)
            COMPREPLY=($(compgen -W 'auto io_uring epoll' -- "$current"))
            return
            ;;
        -c | --connections | -t | --threads | -d | --duration | -n | --count | -s | --size | --depth | \
            -R | --rate | --connect-rate | --idle | -B | --bind | --timeout | --connect-timeout | \
            -O | --omit | -i | --interval | --percentiles | --fail-if | --find-max | --start-at | --pid | --seed | --spin | --sndbuf | --rcvbuf)
            return # a number, a time, a condition
            ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '
            -c --connections -t --threads -d --duration -n --count -s --size --depth -R --rate --arrival
            --crr --connect-rate --idle -B --bind --timeout --connect-timeout -O --omit -i --interval
            -J --json --csv --html --hdr-log --percentiles --fail-if --find-max --backlog-probe --yes --start-at --pid --seed --engine --spin --sndbuf --rcvbuf
            --congestion -4 --ipv4 -6 --ipv6 -q --quiet -v --verbose -h --help -V --version' -- "$current"))
    else
        COMPREPLY=($(compgen -A hostname -- "$current"))
        (( COMP_CWORD > 1 )) || COMPREPLY+=($(compgen -W 'merge diff' -- "$current"))
    fi
}

complete -F _meari_bench meari-bench
