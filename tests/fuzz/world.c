/* world.c -- see world.h. __wrap_CALL is what the client's CALL becomes, __real_CALL the C library's.
 *
 * SPDX-License-Identifier: MIT */
#include "world.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What the kernel holds per direction: little, so that a client that does not read is soon stuck. */
#define ROOM 600

static struct world *world;

static void append(struct stream *s, const uint8_t *bytes, size_t n)
{
    if (s->n + n > s->cap) {
        s->cap = 2 * (s->n + n);
        s->data = realloc(s->data, s->cap);
        HOLDS(s->data);
    }
    memcpy(s->data + s->n, bytes, n);
    s->n += n;
}

void world_begin(struct world *w, struct bytes in)
{
    const uint8_t *newline = in.n ? memchr(in.at, '\n', in.n) : NULL;
    size_t n = newline ? (size_t)(newline - in.at) : in.n;
    size_t skip = n + (newline != NULL);

    *w = (struct world){.script = {in.at, n}, .now_ns = 1, .turns_left = 2000 + 8 * in.n};
    w->typed = (struct bytes){in.n ? in.at + skip : NULL, in.n - skip};
    world = w;
}

void world_end(struct world *w)
{
    world = NULL;
    free(w->sent.data);
    free(w->coming.data);
    free(w->shown.data);
}

bool world_was_kind(const struct world *w)
{
    return !w->wrong && !w->early_end && !w->was_reset && !w->limit_over && !w->input_failed &&
           !w->output_failed;
}

/* --- the user and the server --------------------------------------------------------------------- */

static void type(struct world *w, size_t n)
{
    size_t left = w->typed.n - w->available;

    w->available += n < left ? n : left;
}

static void say(struct world *w, uint8_t byte)
{
    append(&w->coming, &byte, 1);
}

/* Echoes up to 'n' bytes; the last one with 'flip' bits turned over. */
static void echo(struct world *w, size_t n, uint8_t flip)
{
    while (n-- > 0 && w->echoed < w->sent.n && w->coming.n - w->received < ROOM)
        say(w, w->sent.data[w->echoed++] ^ (n == 0 ? flip : 0));
}

static void end_server(struct world *w)
{
    if (!w->client_ended || w->echoed < w->sent.n)
        w->early_end = true;
    w->server_ended = true;
}

static void reset(struct world *w)
{
    w->was_reset = w->server_ended = true;
    w->reset_code = ECONNRESET;
}

/* What an honest server and a patient user would do now. */
static void go_on(struct world *w)
{
    type(w, w->typed.n);
    if (w->server_ended)
        return;
    echo(w, ROOM, 0);
    if (w->client_ended && w->echoed == w->sent.n)
        w->server_ended = true;
}

/* Everybody does something. Returns the letter that said what; 0 after the script. */
static uint8_t turn(struct world *w)
{
    uint8_t letter = w->script.n ? take_byte(&w->script) : 0;

    HOLDS(w->turns_left-- > 0);
    w->now_ns += 1000;
    if (letter == 0) {
        go_on(w);
        return 0;
    }
    if (letter == 't')
        type(w, 30);
    if (w->server_ended)
        return letter;
    switch (letter) {
    case 'e':
        echo(w, 30, 0);
        break;
    case 'w':
        echo(w, 1, 0x20);
        break;
    case 'x':
        say(w, 'x');
        break;
    case 'f':
        end_server(w);
        break;
    case 'r':
        reset(w);
        break;
    case 't':
    case 'i':
    case 's':
        break;
    default:
        type(w, letter & 15);
        echo(w, letter >> 4, 0);
    }
    return letter;
}

/* --- the kernel ---------------------------------------------------------------------------------- */

static short readiness(const struct world *w, int fd)
{
    bool room = w->sent.n - w->echoed < ROOM;

    if (fd == STDIN_FILENO)
        return w->available > w->read || w->available == w->typed.n ? POLLIN : 0;
    if (fd == STDOUT_FILENO)
        return POLLOUT;
    HOLDS(fd == WORLD_SOCKET);
    return (short)((w->coming.n > w->received || w->server_ended ? POLLIN : 0) |
                   (room || w->was_reset ? POLLOUT : 0) | (w->was_reset ? POLLERR | POLLHUP : 0));
}

static int look(const struct world *w, struct pollfd *p, nfds_t n)
{
    int ready = 0;

    for (nfds_t i = 0; i < n; i++) {
        p[i].revents = 0;
        if (p[i].fd >= 0)
            p[i].revents = readiness(w, p[i].fd) & (short)(p[i].events | POLLERR | POLLHUP);
        ready += p[i].revents != 0;
    }
    return ready;
}

static int wait_in(struct world *w, struct pollfd *p, nfds_t n, int timeout_ms)
{
    for (;;) {
        uint8_t letter = turn(w);
        int ready = letter == 's' ? 0 : look(w, p, n);

        if (letter == 'i') {
            errno = EINTR;
            return -1;
        }
        if (ready > 0 || timeout_ms == 0)
            return ready;
        if (letter == 's' && timeout_ms < 0)
            continue;
        if (letter == 's' || letter == 0) { /* nothing will happen any more */
            HOLDS(timeout_ms > 0);          /* or the client would wait for ever */
            w->now_ns += (int64_t)timeout_ms * 1000000;
            w->limit_over = true;
            look(w, p, n);
            return 0;
        }
    }
}

/* How much of 'n' bytes a call moves; -1 with errno set where it fails. */
static ssize_t amount(struct world *w, size_t n, bool *failed)
{
    uint8_t letter = w->script.n ? take_byte(&w->script) : 0;

    if (letter == '0' || (letter == '!' && !failed)) {
        errno = letter == '0' ? EAGAIN : EINTR;
        return -1;
    }
    if (letter == '!') {
        *failed = true;
        errno = EIO;
        return -1;
    }
    return (ssize_t)(letter && letter < n ? letter : n);
}

static int fail_once(struct world *w)
{
    errno = w->reset_code;
    w->reset_code = 0;
    return -1;
}

static ssize_t receive(struct world *w, void *into, size_t n)
{
    size_t there = w->coming.n - w->received;
    ssize_t some = amount(w, n < there ? n : there, NULL);

    if (some == -1)
        return -1;
    if (there > 0) {
        memcpy(into, w->coming.data + w->received, (size_t)some);
        w->received += (size_t)some;
        if (w->received > w->sent.n || memcmp(w->coming.data, w->sent.data, w->received) != 0)
            w->wrong = true;
        return some;
    }
    if (w->reset_code)
        return fail_once(w);
    if (w->server_ended)
        return 0;
    errno = EAGAIN;
    return -1;
}

static ssize_t transmit(struct world *w, const void *from, size_t n)
{
    size_t room = ROOM - (w->sent.n - w->echoed);
    ssize_t some = amount(w, n < room ? n : room, NULL);

    HOLDS(!w->client_ended);
    if (some == -1)
        return -1;
    if (w->reset_code)
        return fail_once(w);
    if (w->was_reset || room == 0) {
        errno = w->was_reset ? EPIPE : EAGAIN;
        return -1;
    }
    append(&w->sent, from, (size_t)some);
    return some;
}

static ssize_t read_typed(struct world *w, void *into, size_t n)
{
    size_t there = w->available - w->read;
    ssize_t some = amount(w, n < there ? n : there, &w->input_failed);

    HOLDS(there > 0 || w->available == w->typed.n); /* or it would block */
    if (some > 0)
        memcpy(into, w->typed.at + w->read, (size_t)some);
    if (some > 0)
        w->read += (size_t)some;
    return some;
}

static ssize_t show(struct world *w, const void *from, size_t n)
{
    ssize_t some = amount(w, n, &w->output_failed);

    if (some > 0)
        append(&w->shown, from, (size_t)some);
    return some;
}

/* --- the calls ----------------------------------------------------------------------------------- */

#define CALL(type, name, ...)               \
    extern type __real_##name(__VA_ARGS__); \
    extern type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

CALL(int, poll, struct pollfd *p, nfds_t n, int timeout_ms)
{
    return world ? wait_in(world, p, n, timeout_ms) : __real_poll(p, n, timeout_ms);
}

CALL(int, ppoll, struct pollfd *p, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    if (!world)
        return __real_ppoll(p, n, timeout, mask);
    HOLDS(!timeout);
    return wait_in(world, p, n, -1);
}

CALL(ssize_t, read, int fd, void *into, size_t n)
{
    return world && fd == STDIN_FILENO ? read_typed(world, into, n) : __real_read(fd, into, n);
}

CALL(ssize_t, write, int fd, const void *from, size_t n)
{
    return world && fd == STDOUT_FILENO ? show(world, from, n) : __real_write(fd, from, n);
}

CALL(ssize_t, recv, int fd, void *into, size_t n, int flags)
{
    return world ? receive(world, into, n) : __real_recv(fd, into, n, flags);
}

CALL(ssize_t, send, int fd, const void *from, size_t n, int flags)
{
    return world ? transmit(world, from, n) : __real_send(fd, from, n, flags);
}

CALL(int, shutdown, int fd, int how)
{
    if (!world)
        return __real_shutdown(fd, how);
    HOLDS(how == SHUT_WR);
    world->client_ended = true;
    return 0;
}

CALL(int, isatty, int fd)
{
    return world ? 0 : __real_isatty(fd);
}

CALL(int, clock_gettime, clockid_t clock, struct timespec *ret)
{
    if (!world || clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, ret);
    *ret = (struct timespec){world->now_ns / 1000000000, world->now_ns % 1000000000};
    return 0;
}
