# --- what is known ------------------------------------------------------------------------------

await() # WHAT CONDITION...
{
    what=$1
    shift
    looks=$patience
    until "$@"; do
        looks=$((looks - 1))
        if [ "$looks" -eq 0 ]; then
            printf 'NOT SO   waited in vain for %s; what the programs printed:\n' "$what"
            tail -n 20 "$tmp"/*.log
            exit 1
        fi
        sleep 0.05
    done
}

printed() # SIDE PATTERN [COUNT]
{
    [ "$(grep -cE -e "$2" "$tmp/$1.log")" -ge "${3:-1}" ]
}

connected() # N: client N, started with -v
{
    ! printed "client_$1" 'cannot connect' || die "client $1: $(cat "$tmp/client_$1.log")"
    printed "client_$1" '^connected to'
}

silent() # SIDE PATTERN: it printed no such line
{
    ! printed "$1" "$2"
}

# The server's figures, as SIGUSR1 asks for them: $waiting, $limit, $full, $dropped.
figures()
{
    asked=$((${asked:-0} + 1))
    typed 'kill -USR1 (server)'
    kill -s USR1 "$(pid server)"
    await 'the figures' printed server '^in this network namespace' "$asked"
    show server
    line=$(grep '^clients ' "$tmp/server.log" | tail -n 1)
    waiting=$(echo "$line" | sed 's/.*backlog \([0-9]*\)\/.*/\1/')
    limit=$(echo "$line" | sed 's/.*backlog [0-9]*\/\([0-9]*\).*/\1/')
    full=$(echo "$line" | sed -n 's/.* FULL .*/FULL/p')
    dropped=$(echo "$line" | sed 's/.* \([0-9]*\) SYNs\{0,1\} dropped.*/\1/')
}

queue_is() # WAITING LIMIT [FULL]
{
    [ "$waiting/$limit $full" = "$1/$2 ${3:-}" ]
}

# The ends of connections with our server: a line each, "STATE unsent unread retries" (proc_net_tcp.rst of the kernel's
# documentation); the numbers are hexadecimal. The states are 01 ESTABLISHED, 02 SYN_SENT, 05 FIN_WAIT2, 08 CLOSE_WAIT.
ends_of() # client | server
{
    awk -v port="$(printf ':%04X' "$port")" -v side="$1" '
        { at = side == "server" ? $2 : $3 }
        substr(at, length(at) - 4) == port && $4 != "0A" && $4 != "06" { split($5, queue, ":"); print $4, queue[1], queue[2], $7 }
    ' /proc/net/tcp
}

in_state() # client | server STATE
{
    ends_of "$1" | grep -q "^$2 "
}

unread() # client | server BYTES: so many wait there to be read
{
    ends_of "$1" | grep -q "^.. 00000000 $(printf '%08X' "$2") "
}

kernel_says()
{
    printf '%s\n' "$*" | said kernel
}

