# --- the two sides ------------------------------------------------------------------------------

prepare()
{
    here=$(dirname -- "$0")
    meari_server='' meari_client='' meari_bench=''
    for program in server client bench; do
        path=$here/meari-$program
        [ -x "$path" ] || path=$(command -v "meari-$program") || die "meari-$program is neither beside this script nor in PATH"
        eval "meari_$program=\$path"
    done
    # the programs read these too; the lesson is about what it says itself
    for variable in $(env | sed -n 's/^\(MEARI_[A-Z0-9_]*\)=.*/\1/p'); do
        unset "$variable"
    done
    colours
    trap leave EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM
    tmp=$(mktemp -d "${TMPDIR:-/tmp}/meari-lesson.XXXXXX") || die 'no folder for what the programs print'
}

# Every way out ends what was started. A code that we did not choose is that of a tool which failed.
leave()
{
    status=$?
    trap - EXIT HUP INT PIPE TERM
    [ "$status" -le 2 ] || [ "$status" -gt 128 ] || status=2
    for pid in $pids; do
        kill -KILL "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    [ -z "$tmp" ] || rm -rf "$tmp"
    exit "$status"
}
pids=

# A program in the background, its output in SIDE.log. Descriptors 3 to 9 are the clients' inputs, and while somebody
# else has one open, its client's input does not end.
launch() # SIDE INPUT COMMAND...
{
    side=$1
    input=$2
    shift 2
    : >"$tmp/$side.log"
    "$@" <"$input" >"$tmp/$side.log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
    eval "pid_$side=$!"
    pids="$pids $!"
}

server() # OPTION...: on a free port, which is then $port
{
    typed meari-server "$@" 127.0.0.1:0
    # shellcheck disable=SC2086 # a command's beginning, or nothing
    launch server /dev/null ${within:-} "$meari_server" --log-format text "$@" 127.0.0.1:0
    await 'a server that listens' listens_or_ended
    printed server '^listening on' || die "the server did not start: $(cat "$tmp/server.log")"
    port=$(sed -n 's/^listening on 127\.0\.0\.1:\([0-9]*\),.*/\1/p' "$tmp/server.log")
    case " $* " in
    *' --accept-pause '*) await 'a server that pauses' printed server '^accepting nobody until SIGUSR2' ;;
    esac
    show server
}

listens_or_ended()
{
    printed server '^listening on' || ! grep -q ') [^Z]' "/proc/$(pid server)/stat" 2>/dev/null
}

# Client N, of 1 to 7: it lives until what we write to its input ends.
client() # N OPTION...
{
    n=$1
    shift
    typed meari-client "$@" 127.0.0.1 "$port"
    mkfifo "$tmp/in$n"
    launch "client_$n" "$tmp/in$n" "$meari_client" "$@" 127.0.0.1 "$port"
    eval "exec $((n + 2))>\"\$tmp/in$n\""
}

tell() # N WORDS: a line for client N to send
{
    printf '%s< %s%s\n' "$dim" "$2" "$plain" | sed "s/< /  client $1 is told: /"
    eval "printf '%s\\n' \"\$2\" >&$(($1 + 2))"
}

hang_up() # N: the end of client N's input
{
    eval "exec $(($1 + 2))>&-"
}

pid() # SIDE
{
    eval "echo \$pid_$1"
}

signal() # NAME SIDE
{
    typed "kill -$1 ($(name_of "$2"))"
    kill -s "$1" "$(pid "$2")"
}

ended() # SIDE: its exit code, when it is over
{
    code=0
    wait "$(pid "$1")" || code=$?
    pids=$(echo "$pids " | sed "s/ $(pid "$1") / /")
}

murder() # SIDE
{
    signal KILL "$1"
    ended "$1" 2>/dev/null # a shell may have a word to say about it
}

stopped() # SIDE: every thread of it
{
    ! awk '{ print $3 }' "/proc/$(pid "$1")"/task/*/stat | grep -qv T
}

stop() # SIDE
{
    signal STOP "$1"
    await 'threads that all stand still' stopped "$1"
}

