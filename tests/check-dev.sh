#!/bin/sh
# check-dev.sh -- the front door: a conversation through `./dev run`, its end by a signal, what it says
# where it may not install, and that it leaves nothing behind.
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."
dev=$PWD/dev
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/own" "$tmp/bin"
export TMPDIR="$tmp/own" # where the front door puts what it removes at the end

fail()
{
    echo "$*"
    exit 1
}

expect() # CODE COMMAND...: with its output in $tmp/out and $tmp/err
{
    wanted=$1
    shift
    code=0
    "$@" >"$tmp/out" 2>"$tmp/err" || code=$?
    if [ "$code" != "$wanted" ]; then
        cat "$tmp/out" "$tmp/err"
        fail "exit code $code, not $wanted: $*"
    fi
}

has_left_nothing()
{
    [ -z "$(ls -A "$tmp/own")" ] || fail "left behind after $1: $(ls -A "$tmp/own")"
}

eventually() # COMMAND...
{
    tries=400
    until "$@" 2>/dev/null; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "did not come true: $*"
        sleep 0.05
    done
}

# a conversation, from somewhere else
printf 'hello\nq\n' >"$tmp/in"
(cd / && expect 0 "$dev" run <"$tmp/in")
[ "$(cat "$tmp/out")" = 'message from server : hello' ] || fail "not the conversation: $(cat "$tmp/out")"
has_left_nothing 'a conversation'

# ended from outside, in the middle of one: the server ends as well
mkfifo "$tmp/fifo"
"$dev" run <"$tmp/fifo" >"$tmp/out" 2>"$tmp/err" &
pid=$!
exec 4>"$tmp/fifo"
echo hello >&4
eventually grep -q hello "$tmp/out"
port=$(sed -n 's/.*listening on [^ ]*:\([0-9]*\),.*/\1/p' "$tmp"/own/*/server.log)
[ -n "$(ss -Hltn "sport = :$port")" ] || fail "nobody listens on port $port"
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
exec 4>&-
[ "$code" = 143 ] || fail "exit code $code after SIGTERM"
[ -z "$(ss -Hltn "sport = :$port")" ] || fail 'the server outlives its front door'
has_left_nothing SIGTERM

# a server that does not start: its log is named, shown and kept
expect 2 env MEARI_WORKERS=none "$dev" run </dev/null
grep -q "MEARI_WORKERS: 'none'" "$tmp/err" || fail "says no reason: $(cat "$tmp/err")"
kept=$(sed -n 's/.*its log is \([^:]*\):$/\1/p' "$tmp/err")
[ -s "$kept" ] || fail "the log is not where it says: $(cat "$tmp/err")"
rm -r "${kept%/*}"

# an experiment of the lesson
expect 0 "$dev" lesson 1
grep -q '^so it is  ' "$tmp/out" || fail "not the lesson: $(cat "$tmp/out")"
has_left_nothing 'the lesson'

expect 0 "$dev" help
expect 2 "$dev" nonsense
for command in build coverage; do # these take nothing, and do nothing when they are given something
    expect 2 "$dev" "$command" nonsense
    grep -q "$command takes nothing, not 'nonsense'" "$tmp/err" || fail "says no reason: $(cat "$tmp/err")"
done

# where it may not install: a user without sudo, and a Debian that has nothing
for tool in cat dirname env mktemp rm sh; do
    ln -s "$(command -v "$tool")" "$tmp/bin/$tool"
done
printf '#!/bin/sh\nexit 1\n' | tee "$tmp/bin/dpkg-query" >"$tmp/bin/apt-get"
printf '#!/bin/sh\necho 1000\n' >"$tmp/bin/id"
chmod +x "$tmp/bin/dpkg-query" "$tmp/bin/apt-get" "$tmp/bin/id"
expect 2 env -u DEV_DEPS PATH="$tmp/bin" "$dev" build
grep -q '^ *apt-get update && apt-get install .* gcc .*meson' "$tmp/err" ||
    fail "does not say what to type: $(cat "$tmp/err")"

# a user with sudo and no terminal is not asked for a password, and is told when that fails
printf '#!/bin/sh\necho "$*" >%s/sudo\nexit 1\n' "$tmp" >"$tmp/bin/sudo"
chmod +x "$tmp/bin/sudo"
ln -s "$(command -v tail)" "$tmp/bin/tail"
expect 2 setsid -w env -u DEV_DEPS PATH="$tmp/bin" "$dev" build
grep -q '^-n .*apt-get' "$tmp/sudo" || fail "sudo was called with: $(cat "$tmp/sudo")"
grep -q '^ *apt-get update && apt-get install .* gcc .*meson' "$tmp/err" ||
    fail "does not say what to type: $(cat "$tmp/err")"

# a root whose apt-get fails is told the same
printf '#!/bin/sh\necho 0\n' >"$tmp/bin/id"
expect 2 env -u DEV_DEPS PATH="$tmp/bin" "$dev" build
grep -q '^ *apt-get update && apt-get install .* gcc .*meson' "$tmp/err" ||
    fail "does not say what to type: $(cat "$tmp/err")"
has_left_nothing 'all of it'
