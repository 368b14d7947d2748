/* supervisor.c -- see supervisor.h.
 *
 * SPDX-License-Identifier: MIT */
#include "supervisor.h"

#include "../base/err.h"
#include "../base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3
#define FDS_MAX 1024 /* more than anybody passes; a number beyond is a mistake */

/* --- sockets ------------------------------------------------------------------------------------ */

/* A variable with a decimal number. Returns 1, or 0 when it is not set, or -EINVAL. */
static int read_number(const char *variable, uint64_t max, uint64_t *ret, struct err *err)
{
    const char *text = getenv(variable);
    char quoted[ERR_QUOTE_MAX];

    if (!text)
        return 0;
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || units_count(ret, text) < 0 ||
        *ret < 1 || *ret > max)
        return err_usage(err, "%s='%s' is not a number from 1 to %" PRIu64, variable,
                         err_quote(quoted, text), max);
    return 1;
}

/* "descriptor 4 ('echo') of LISTEN_FDS", the name being the i-th of LISTEN_FDNAMES. */
static void name_fd(char out[static ERR_QUOTE_MAX + 64], size_t i)
{
    const char *names = getenv("LISTEN_FDNAMES");
    char part[64], quoted[ERR_QUOTE_MAX];

    for (size_t skip = i; names && skip > 0; skip--) {
        names = strchr(names, ':');
        names = names ? names + 1 : NULL;
    }
    snprintf(part, sizeof part, "%.*s", names ? (int)strcspn(names, ":") : 0, names ? names : "");
    if (part[0])
        snprintf(out, ERR_QUOTE_MAX + 64, "descriptor %zu ('%s') of LISTEN_FDS", FIRST_FD + i,
                 err_quote(quoted, part));
    else
        snprintf(out, ERR_QUOTE_MAX + 64, "descriptor %zu of LISTEN_FDS", FIRST_FD + i);
}

static int check_all(struct passed *list, size_t n, struct err *err)
{
    char name[ERR_QUOTE_MAX + 64];

    for (size_t i = 0; i < n; i++) {
        int r;

        name_fd(name, i);
        r = passed_check(&list[i], FIRST_FD + (int)i, name, err);
        if (r < 0)
            return r;
        list[i].always = true;
    }
    return 0;
}

static int take_sockets(struct passed **ret, size_t *ret_n, struct err *err)
{
    uint64_t pid, n;
    int r = read_number("LISTEN_PID", INT32_MAX, &pid, err);

    if (r <= 0 || pid != (uint64_t)getpid())
        return r < 0 ? r : 0; /* none, or left over from a parent for whom they were */
    r = read_number("LISTEN_FDS", FDS_MAX, &n, err);
    if (r <= 0)
        return r;
    *ret = calloc(n, sizeof **ret);
    if (!*ret)
        return err_set(err, ENOMEM, "cannot take the sockets of LISTEN_FDS");
    *ret_n = (size_t)n;
    return check_all(*ret, *ret_n, err);
}

int supervisor_sockets(struct passed **ret, size_t *ret_n, struct err *err)
{
    struct passed *list = NULL;
    size_t n = 0;
    int r = take_sockets(&list, &n, err);

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (r < 0) {
        free(list);
        return r;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

/* --- news --------------------------------------------------------------------------------------- */

/* A path, or, behind an '@', a name in the abstract space of Unix sockets (unix(7)). */
static int notify_address(struct sockaddr_un *ret, socklen_t *ret_len, const char *text)
{
    size_t length = strlen(text);

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (text[0] != '/' && text[0] != '@')
        return -EAFNOSUPPORT;
    if (length < 2 || length >= sizeof ret->sun_path)
        return -ENAMETOOLONG;
    memcpy(ret->sun_path, text, length);
    if (text[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (text[0] == '/'));
    return 0;
}

static int open_notify(int *ret_fd, const char *text)
{
    struct sockaddr_un address;
    socklen_t len;
    int r = notify_address(&address, &len, text);
    int fd;

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = 1},
                     sizeof(struct timeval));
    /* connected now, so that neither a sandbox nor another root directory is in the way later */
    if (connect(fd, (struct sockaddr *)&address, len) == -1) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int supervisor_open(struct supervisor *s, struct err *err)
{
    const char *text = getenv("NOTIFY_SOCKET");
    char quoted[ERR_QUOTE_MAX];
    int r;

    s->notify_fd = -1;
    if (!text)
        return 0;
    r = open_notify(&s->notify_fd, text);
    if (r < 0)
        err_set(err, -r, "cannot notify '%s' (NOTIFY_SOCKET)", err_quote(quoted, text));
    unsetenv("NOTIFY_SOCKET");
    return r;
}

void supervisor_close(struct supervisor *s)
{
    if (s->notify_fd != -1)
        close(s->notify_fd);
    s->notify_fd = -1;
}

void supervisor_tell(const struct supervisor *s, const char *fmt, ...)
{
    char text[256];
    va_list args;
    int n;

    if (!s || s->notify_fd == -1)
        return;
    va_start(args, fmt);
    n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof text)
        (void)send(s->notify_fd, text, (size_t)n, MSG_NOSIGNAL);
}
