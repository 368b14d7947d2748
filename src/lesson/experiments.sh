# --- the experiments ----------------------------------------------------------------------------

experiment_1()
{
    step '1. A server for one client at a time; five more may wait.'
    server --classic

    step '2. The first client is served.'
    client 1 -v
    tell 1 hello
    await 'an echo' printed client_1 '^6 bytes in'
    show server client_1

    step '3. The second one is connected, too: by the kernel. What it says is in the kernel as well.'
    client 2 -v
    tell 2 'me too'
    await 'a connection' connected 2
    await '7 bytes for the server' unread server 7
    show client_2
    figures
    so 'client 2 is connected and waits in the backlog: 1 of 5' queue_is 1 5
    so 'its 7 bytes have reached the server, and nobody reads them' unread server 7
    so 'the server does not know it yet' silent server '^client 2 '

    step '4. The first one leaves. Now the second one is accepted, as client 2, and answered.'
    hang_up 1
    await 'an echo' printed client_2 '^7 bytes in'
    show server client_2
    so 'client 2 was accepted when client 1 had left' in_order server '^client 1 left' '^client 2 connected'
    so 'what it said while it waited came back' printed client_2 '^message from server : me too$'
}

in_order() # SIDE PATTERN PATTERN: the first lines like these stand in this order
{
    [ "$(grep -nE -m 1 -e "$2" "$tmp/$1.log" | sed 's/:.*//')" -lt "$(grep -nE -m 1 -e "$3" "$tmp/$1.log" | sed 's/:.*//')" ]
}

connect_some() # FROM TO: clients that are connected one after the other, and say nothing
{
    for i in $(seq "$1" "$2"); do
        client "$i" -v
        await 'a connection' connected "$i"
        show "client_$i"
    done
}

experiment_2()
{
    step '1. A server with a backlog of 5 that accepts nobody, so that the queue can be watched.'
    server --backlog 5 --accept-pause

    step '2. Five clients.'
    connect_some 1 5
    figures
    so '5 wait, the limit is 5, and the queue is not full' queue_is 5 5

    step '3. A sixth.'
    connect_some 6 6
    await 'a word about it' printed server 'the accept queue of .* is full'
    figures
    so '6 wait, the limit is 5, and now it is full' queue_is 6 5 FULL
    so 'no SYN was dropped: the sixth came in' [ "$dropped" = 0 ]

    step '4. Accepting goes on: all six are served.'
    signal USR2 server
    await 'six clients' printed server '^client 6 connected'
    show server
    figures
    so 'nobody waits' queue_is 0 5

    step '5. The same from outside: how many does a server admit? They leave, and it pauses again.'
    for i in 1 2 3 4 5 6; do
        hang_up "$i"
        await 'its end' printed server "^client $i left"
    done
    signal USR2 server
    await 'a pause' printed server '^accepting nobody until SIGUSR2' 2
    show server
    typed meari-bench --backlog-probe 127.0.0.1 "$port"
    launch client /dev/null "$meari_bench" --backlog-probe 127.0.0.1 "$port"
    ended client
    show client
    so 'the probe finds 5 + 1 as well' printed client '^served 0, waiting 6 \(backlog 5 \+ 1\), then no answer$'
}

seconds() # since the machine started
{
    sed 's/ .*//' /proc/uptime
}

sent_again() # TIMES: the SYN of the one client whose connection is not made
{
    ends_of client | grep '^02 ' | { read -r _ _ _ retries && [ "$((0x$retries))" -ge "$1" ]; }
}

experiment_3()
{
    step '1. A backlog of 5, six clients who wait in it: it is full.'
    server --backlog 5 --accept-pause
    connect_some 1 6
    await 'a word about it' printed server 'the accept queue of .* is full'
    figures
    so 'it is full, and no SYN was dropped' queue_is 6 5 FULL

    step '2. A seventh. The server drops its SYN and says nothing, so its kernel sends it again, and again.'
    client 7 -v
    await 'a SYN' in_state client 02
    started=$(seconds)
    for times in 1 2; do
        await 'a SYN that is sent again' sent_again "$times"
        kernel_says "client 7 sent its SYN again, $(echo "$(seconds) $started" | awk '{ printf "%.1f", $1 - $2 }') s after the first"
    done
    figures
    so 'client 7 is not connected' silent client_7 '^connected to'
    so "its SYNs were dropped, and each was counted: $dropped" [ "$dropped" -ge 2 ]

    step '3. Accepting goes on. The seventh gets in with its next SYN: it was late, not lost.'
    signal USR2 server
    await 'seven clients' printed server '^client 7 connected'
    await 'a connection' connected 7
    show server client_7
    figures
    retries=$(sed -n 's/.*its SYN needed \([0-9]*\) retr.*/\1/p' "$tmp/client_7.log")
    so "the client counts $retries retries, and the server as many dropped SYNs" [ "$retries" = "$dropped" ]
    say_when
}

# Since Linux 6.5 the first retries are a second apart; before, each waits twice as long as the one before.
say_when()
{
    linear=$(cat /proc/sys/net/ipv4/tcp_syn_linear_timeouts 2>/dev/null) || linear=0
    times=$(awk -v linear="$linear" 'BEGIN {
        for (n = 1; n <= 7; n++) {
            wait = n <= linear + 1 ? 1 : 2 * wait
            at += wait
            printf "%s%d", (n > 1 ? ", " : ""), at
        }
    }')
    kernel_says "retries are due after $times s (tcp_syn_linear_timeouts $linear)"
}

experiment_4()
{
    somaxconn=$(cat /proc/sys/net/core/somaxconn)
    step '1. Ask for more than the system gives.'
    typed cat /proc/sys/net/core/somaxconn
    kernel_says "$somaxconn"
    server --backlog "$((somaxconn + 1))"
    so "the limit in force is somaxconn, $somaxconn" printed server "^listening on .*, backlog $somaxconn,"
    kill "$(pid server)"
    ended server

    step '2. A network of our own, where we may set it: to 3.'
    lab="unshare --map-root-user --net"
    $lab ip link set lo up 2>/dev/null || die 'this user cannot make a network here (unshare --map-root-user --net), so the rest is left out'
    typed "$lab sh"
    typed 'ip link set lo up; echo 3 >/proc/sys/net/core/somaxconn'
    printf 'ip link set lo up; echo 3 >/proc/sys/net/core/somaxconn; exec "$@"\n' >"$tmp/in_the_lab"
    within="$lab sh $tmp/in_the_lab"
    # shellcheck disable=SC2034 # show() counts anew: it is another server
    seen_server=0
    server --backlog 1024 --accept-pause
    so 'asked for 1024, and got 3' printed server '^listening on .*, backlog 3,'

    step '3. How many does it admit?'
    typed meari-bench --backlog-probe 127.0.0.1 "$port"
    launch client /dev/null nsenter --target "$(pid server)" --user --net --preserve-credentials \
        "$meari_bench" --backlog-probe 127.0.0.1 "$port"
    ended client
    show client
    so '3 + 1' printed client '^served 0, waiting 4 \(backlog 3 \+ 1\), then no answer$'
}

experiment_5()
{
    step '1. A server that accepts nobody yet, and tells its system calls.'
    server --engine classic --accept-pause --trace

    step '2. A client says hello, and that this was all (FIN), before anybody has accepted it.'
    typed "echo hello | meari-client --raw --trace 127.0.0.1 $port"
    echo hello >"$tmp/hello"
    launch client_1 "$tmp/hello" "$meari_client" --raw --trace 127.0.0.1 "$port"
    await 'FIN_WAIT_2' in_state client 05
    await 'CLOSE_WAIT' in_state server 08
    show client_1
    kernel_says "the client's end is in FIN_WAIT_2: it has sent its FIN, and may still receive"
    kernel_says "the server's end is in CLOSE_WAIT: it has got the FIN, and may still send"
    so 'nothing came back yet' silent client_1 '^recv'

    step '3. Accepting goes on: the server reads hello, then the end; it sends hello, then its own end.'
    signal USR2 server
    ended client_1
    await 'the end' printed server '^client 1 left'
    await 'the last call' printed server 'close\('
    show server client_1
    so 'hello came back to a client that had long finished' printed client_1 '^hello$'
    so 'and it ended well' [ "$code" = 0 ]

    step '4. The same with an ordinary server, and 100,000 numbers, nine times its buffer.'
    kill "$(pid server)"
    ended server
    # shellcheck disable=SC2034 # show() counts anew: it is another server
    seen_server=0
    server
    typed "seq 100000 | meari-client --raw 127.0.0.1 $port | cksum"
    seq 100000 >"$tmp/numbers"
    launch client_2 "$tmp/numbers" "$meari_client" --raw 127.0.0.1 "$port"
    ended client_2
    await 'the end' printed server '^client 1 left'
    show server
    cksum <"$tmp/client_2.log" | said 'client 2'
    so 'every one of 588895 bytes came back' cmp -s "$tmp/numbers" "$tmp/client_2.log"
    so 'the server has echoed as many' printed server '^client 1 left .*, 588895 bytes echoed$'
}

experiment_6()
{
    step '1. A client that has read everything is killed: the kernel closes its connection, with a FIN.'
    server
    client 1 -v
    tell 1 hello
    await 'an echo' printed client_1 '^6 bytes in'
    show client_1
    murder client_1
    await 'the end' printed server '^client 1 left'
    show server
    so 'to the server it left' printed server '^client 1 left .*, 6 bytes echoed$'

    step '2. A client with 6 bytes unread is killed. (Both stand still in turn, so that the echo finds it asleep.)'
    client 2 -v
    await 'a connection' printed server '^client 2 connected'
    show server client_2
    stop server
    tell 2 hello
    await '6 bytes for the server' unread server 6
    stop client_2
    signal CONT server
    await '6 bytes for the client' unread client 6
    kernel_says '6 bytes wait at the client, and it has read none'
    murder client_2
    await 'the end' printed server '^client 2 left'
    show server
    so 'this was a reset (RST), as bytes were thrown away' printed server '^client 2 left .*, 6 bytes echoed, reset by the client$'
    so 'the client got nothing of what the server had echoed' silent client_2 '^message'

    step '3. A server with 6 bytes unread is killed: the same, the other way round.'
    client 3 -v
    await 'a connection' printed server '^client 3 connected'
    show server client_3
    stop server
    tell 3 hello
    await '6 bytes for the server' unread server 6
    kernel_says "6 bytes wait at the server; the client's kernel knows that they arrived"
    murder server
    ended client_3
    show client_3
    so 'acknowledged is not echoed' printed client_3 'connection lost after 0 of 6 bytes: Connection reset by peer'
    so 'and the client says so: exit code 1' [ "$code" = 1 ]
}

