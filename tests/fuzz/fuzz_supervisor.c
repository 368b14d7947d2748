/* fuzz_supervisor.c -- what a service manager, or whoever pretends to be one, puts into the environment.
 *
 * The lines are the values of LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES; "self" is our own process. One
 * socket that listens is passed, as descriptor 3; nothing else in that place is one. What is refused is
 * refused in one clean sentence, and the variables are gone afterwards, whatever they said.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/err.h"
#include "net/supervisor.h"

#include <sys/socket.h>
#include <unistd.h>

#define FIRST 3

/* Before main(), while the place is free. */
__attribute__((constructor)) static void pass_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    HOLDS(fd != -1 && listen(fd, 1) == 0 && dup2(fd, FIRST) == FIRST);
    if (fd != FIRST)
        close(fd);
}

static void set(const char *variable, struct bytes *in)
{
    char self[16], *value = take_line(in);

    snprintf(self, sizeof self, "%d", (int)getpid());
    if (value)
        setenv(variable, strcmp(value, "self") == 0 ? self : value, 1);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    struct passed *list = NULL;
    struct err err = {.code = 0};
    size_t n = 0;
    int r;

    set("LISTEN_PID", &in);
    set("LISTEN_FDS", &in);
    set("LISTEN_FDNAMES", &in);
    r = supervisor_sockets(&list, &n, &err);
    HOLDS(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
    if (r == 0) {
        HOLDS((n == 0) == !list && n <= 1);
        HOLDS(n == 0 || (list[0].fd == FIRST && list[0].always));
    } else {
        HOLDS(r < 0 && err.code > 0 && *err.text && is_clean(err.text));
    }
    free(list);
    return 0;
}
