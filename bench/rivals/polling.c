/* polling.c -- two loops that poll one connection without ever sleeping: the round trip that TCP leaves to nobody.
 *
 *     polling SERVER-CPU LOAD-CPU SECONDS [sleep]
 *
 * Either side does nothing but recv(MSG_DONTWAIT) until bytes are there, then send(); with `sleep` only the server
 * does, and the load waits in recv(). The load prints the median of its round trips of 64 bytes:
 *
 *     messages 130044 p50_us 7.61
 *
 * SPDX-License-Identifier: MIT */
#include "rival.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE 64
#define ROUNDS_MAX 10000000u

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void run_on(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    rival_need(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

/* Returns false at the end of the connection. */
static bool receive(int fd, char *message, int flags)
{
    for (size_t got = 0; got < SIZE;) {
        ssize_t n = recv(fd, message + got, SIZE - got, flags);

        if (n == 0)
            return false;
        rival_need(n > 0 || errno == EAGAIN, "recv");
        got += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static void serve(int fd)
{
    char message[SIZE];

    while (receive(fd, message, MSG_DONTWAIT))
        rival_need(send(fd, message, SIZE, MSG_NOSIGNAL) == SIZE, "send");
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void load(int fd, double seconds, int flags)
{
    uint32_t *rounds = calloc(ROUNDS_MAX, sizeof *rounds), n = 0;
    int64_t begun = now_ns(), end = begun + (int64_t)(seconds * 1e9);
    char message[SIZE] = "";

    rival_need(rounds, "calloc");
    while (begun < end && n < ROUNDS_MAX) {
        int64_t over;

        rival_need(send(fd, message, SIZE, MSG_NOSIGNAL) == SIZE, "send");
        rival_need(receive(fd, message, flags), "the other side");
        over = now_ns();
        rounds[n++] = (uint32_t)(over - begun);
        begun = over;
    }
    qsort(rounds, n, sizeof *rounds, by_size);
    printf("messages %u p50_us %.2f\n", n, rounds[n / 2] / 1e3);
    free(rounds);
}

/* Both ends of a connection over loopback. */
static void make_connection(int fds[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    rival_need(bind(listener, (struct sockaddr *)&addr, len) == 0, "bind");
    rival_need(listen(listener, 1) == 0, "listen");
    rival_need(getsockname(listener, (struct sockaddr *)&addr, &len) == 0, "getsockname");
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    rival_need(connect(fds[1], (struct sockaddr *)&addr, len) == 0, "connect");
    fds[0] = accept(listener, NULL, NULL);
    rival_need(fds[0] >= 0, "accept");
    for (int i = 0; i < 2; i++)
        rival_need(setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
                   "TCP_NODELAY");
    close(listener);
}

int main(int argc, char **argv)
{
    pid_t child;
    int fds[2];

    if (argc != 4 && argc != 5) {
        fputs("usage: polling SERVER-CPU LOAD-CPU SECONDS [sleep]\n", stderr);
        return 2;
    }
    make_connection(fds);
    child = fork();
    rival_need(child >= 0, "fork");
    run_on((unsigned)atoi(argv[child ? 2 : 1]));
    close(fds[child ? 0 : 1]);
    if (child)
        load(fds[1], atof(argv[3]), argc == 5 ? 0 : MSG_DONTWAIT);
    else
        serve(fds[0]);
    close(fds[child ? 1 : 0]);
    return 0;
}
