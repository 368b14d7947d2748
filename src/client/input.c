/* input.c -- see input.h.
 *
 * SPDX-License-Identifier: MIT */
#include "input.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define LAST_CHANCE_MS 1000

int input_wait(int server, const sigset_t *mask)
{
    struct pollfd p[] = {
        {.fd = server, .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN},
    };
    int n;

    do {
        n = ppoll(p, 2, NULL, mask);
    } while (n == -1 && errno == EINTR && !mask);
    if (n == -1)
        return -errno;
    return p[0].revents ? INPUT_SERVER : INPUT_LINE;
}

bool input_over(void)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;

    if (isatty(STDIN_FILENO))
        return true;
    return poll(&p, 1, LAST_CHANCE_MS) == 1 && read(STDIN_FILENO, &byte, 1) == 0;
}
