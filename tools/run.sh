# run.sh -- ./dev run: a server on a free port, the client on it, and the end of both whatever happens.
#
# SPDX-License-Identifier: MIT

# The port the server says it has; waits for that as long as the server lives, up to 10 s.
wait_for_port()
{
    tries=200
    while [ "$tries" -gt 0 ]; do
        port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' "$tmp/server.log")
        [ -z "$port" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
        tries=$((tries - 1))
    done
    return 1
}

stop_server()
{
    kill -TERM "$server" 2>/dev/null || :
    server_status=0
    wait "$server" || server_status=$?
}

server_failed() # WHAT
{
    keep=yes
    say "$1; its log is $tmp/server.log:"
    tail -n 5 "$tmp/server.log" >&2
}

dev_run()
{
    # shellcheck disable=SC2086
    need $for_build
    build_in build
    if [ $# -gt 0 ]; then
        [ -z "$tmp" ] || rm -rf "$tmp"
        exec build/meari-client "$@"
    fi
    want_tmp
    [ -e /proc/self/fd/0 ] || exec </dev/null
    exec 3<&0

    # A session of its own keeps the terminal's Ctrl-C away from the server, which must outlive the
    # client; and if this script is killed, the kernel tells the server to end.
    setpriv --pdeathsig TERM setsid build/meari-server --log-format text 127.0.0.1:0 \
        >"$tmp/server.log" 2>&1 </dev/null 3<&- &
    server=$!
    trap 'stop_server; exit 143' HUP TERM
    trap 'stop_server; exit 130' INT
    if ! wait_for_port; then
        server_failed 'the server did not start'
        stop_server
        exit 2
    fi

    # The client runs in the background only so that a signal to this script is answered at once. It
    # stays in the terminal's foreground group, and a shell's background job must be given back its
    # standard input and its Ctrl-C.
    env --default-signal=INT,QUIT build/meari-client 127.0.0.1 "$port" <&3 3<&- &
    client=$!
    trap : INT QUIT
    told=
    trap 'told=129; kill -TERM "$client" 2>/dev/null || :' HUP
    trap 'told=143; kill -TERM "$client" 2>/dev/null || :' TERM
    while :; do # a trapped signal ends wait, not the client
        client_status=0
        wait "$client" || client_status=$?
        kill -0 "$client" 2>/dev/null || break
    done

    stop_server
    if [ -n "$told" ]; then
        exit "$told"
    elif [ "$server_status" != 0 ]; then
        server_failed "the server ended with exit code $server_status"
    elif [ "$client_status" != 0 ] && [ "$client_status" -lt 128 ]; then
        keep=yes
        say "the client ended with exit code $client_status; the server's log is $tmp/server.log"
    fi
    exit "$client_status"
}
