/* load.c -- a small closed-loop load, enough to compare two echo servers' CPU per message.
 *
 * Every connection has one message in flight: send, wait until all of it came back, compare, send the
 * next. The bytes differ by connection and message, so a wrong, lost or swapped echo is noticed. The
 * server's CPU clock is read at the beginning and the end of the measured time, from here, so that the
 * two agree. It prints one line:
 *
 *     messages 353114 seconds 2.000 server_cpu_ns 1953041223 client_cpu_ns 1999132143 wrong 0
 *
 * SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct flow {
    int fd;
    uint32_t number, message, back;
};

static uint32_t size;
static unsigned char *out, *in;
static uint64_t messages, wrong;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t) == -1) {
        perror("load: clock_gettime");
        exit(2);
    }
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The message is this pattern, told apart by its first bytes. */
static void stamp(const struct flow *f)
{
    uint32_t words[2] = {f->number, f->message};

    memcpy(out, words, size < sizeof words ? size : sizeof words);
}

static void send_next(struct flow *f)
{
    f->message++;
    f->back = 0;
    stamp(f);
    for (uint32_t sent = 0; sent < size;) {
        ssize_t n = send(f->fd, out + sent, size - sent, MSG_NOSIGNAL);

        if (n == -1 && errno != EAGAIN) {
            perror("load: send");
            exit(1);
        }
        sent += n > 0 ? (uint32_t)n : 0;
    }
}

static void receive(struct flow *f)
{
    ssize_t n = recv(f->fd, in, size - f->back, 0);

    if (n == -1 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fprintf(stderr, "load: connection lost\n");
        exit(1);
    }
    stamp(f);
    wrong += memcmp(in, out + f->back, (size_t)n) != 0;
    f->back += (uint32_t)n;
    if (f->back < size)
        return;
    messages++;
    send_next(f);
}

static int call(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || connect(fd, (struct sockaddr *)&addr, sizeof addr) == -1) {
        perror("load: connect");
        exit(2);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void run(int epoll_fd, int64_t until_ns)
{
    struct epoll_event events[256];

    while (read_clock(CLOCK_MONOTONIC) < until_ns) {
        int n = epoll_wait(epoll_fd, events, 256, 100);

        for (int i = 0; i < n; i++)
            receive(events[i].data.ptr);
    }
}

int main(int argc, char **argv)
{
    int64_t seconds_ns, start, server_start, client_start;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct flow *flows;
    clockid_t server;
    uint32_t n;

    if (argc != 6) {
        fprintf(stderr, "usage: load PORT CONNECTIONS SIZE SECONDS SERVER_PID\n");
        return 2;
    }
    n = (uint32_t)strtoul(argv[2], NULL, 10);
    size = (uint32_t)strtoul(argv[3], NULL, 10);
    seconds_ns = (int64_t)(strtod(argv[4], NULL) * 1e9);
    out = malloc(size);
    in = malloc(size);
    flows = calloc(n, sizeof *flows);
    if (!out || !in || !flows ||
        clock_getcpuclockid((pid_t)strtol(argv[5], NULL, 10), &server) != 0) {
        fprintf(stderr, "load: no memory, or no such server\n");
        return 2;
    }
    for (uint32_t i = 0; i < size; i++)
        out[i] = (unsigned char)(i * 7 + 1);
    for (uint32_t i = 0; i < n; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &flows[i]};

        flows[i].number = i;
        flows[i].fd = call((uint16_t)strtoul(argv[1], NULL, 10));
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, flows[i].fd, &event);
        send_next(&flows[i]);
    }
    run(epoll_fd, read_clock(CLOCK_MONOTONIC) + seconds_ns / 4); /* warm up */
    messages = 0;
    start = read_clock(CLOCK_MONOTONIC);
    server_start = read_clock(server);
    client_start = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    run(epoll_fd, start + seconds_ns);
    printf("messages %" PRIu64 " seconds %.3f server_cpu_ns %" PRId64 " client_cpu_ns %" PRId64
           " wrong %" PRIu64 "\n",
           messages, (double)(read_clock(CLOCK_MONOTONIC) - start) / 1e9,
           read_clock(server) - server_start, read_clock(CLOCK_PROCESS_CPUTIME_ID) - client_start,
           wrong);
    return wrong ? 1 : 0;
}
