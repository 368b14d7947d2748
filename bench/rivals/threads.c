/* threads.c -- an echo server with a thread per connection, in blocking calls.
 *
 *     threads PORT
 *
 * The kernel's scheduler is the event loop. A write that blocks is the back-pressure.
 *
 * SPDX-License-Identifier: MIT */
#include "rival.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK (RIVAL_READ + 65536)

static bool send_all(int fd, const unsigned char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n == -1)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static void *serve(void *arg)
{
    _Alignas(RIVAL_ALIGN) unsigned char buffer[RIVAL_READ];
    int fd = (int)(intptr_t)arg;
    ssize_t n;

    do
        n = recv(fd, buffer, sizeof buffer, 0);
    while (n > 0 && send_all(fd, buffer, (size_t)n));
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    int listener = rival_listen(rival_port(argc, argv), false);
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    for (;;) {
        int fd = rival_accept(listener, false);
        pthread_t thread;

        errno = pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd);
        rival_need(errno == 0, "pthread_create");
    }
}
