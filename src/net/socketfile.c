/* socketfile.c -- see socketfile.h.
 *
 * SPDX-License-Identifier: MIT */
#include "socketfile.h"

#include "../base/err.h"
#include "../base/privilege.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 16  /* who connects and is not answered yet */
#define ATTEMPTS 16 /* at a name that nobody has */

int socketfile_check(const char *path, struct err *err)
{
    char quoted[ERR_QUOTE_MAX];
    struct stat st;

    err_quote(quoted, path);
    if (path[0] == '\0')
        return err_usage(err, "a socket's path is empty");
    if (strlen(path) > SOCKETFILE_PATH_MAX)
        return err_usage(err, "'%s' is too long for a socket: more than %zu bytes", quoted,
                         SOCKETFILE_PATH_MAX);
    if (lstat(path, &st) == -1)
        return errno == ENOENT ? 0 : err_set(err, errno, "cannot look at '%s'", quoted);
    if (S_ISLNK(st.st_mode))
        return err_usage(err, "'%s' is a symbolic link, not a socket", quoted);
    if (!S_ISSOCK(st.st_mode))
        return err_usage(err, "'%s' exists and is not a socket", quoted);
    return 0;
}

void socketfile_dir(char out[static SOCKETFILE_PATH_MAX + 1], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    snprintf(out, SOCKETFILE_PATH_MAX + 1, "%.*s", (int)length, path);
    if (length == 0)
        snprintf(out, SOCKETFILE_PATH_MAX + 1, "%s", slash ? "/" : ".");
}

/* Binds to path.XXXXXX, with a name that nobody has. Returns 0 or -errno. */
static int bind_beside(struct socketfile *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned number = 0;
    mode_t mask;
    int r = -EADDRINUSE;

    mask = umask(0177); /* bind(2) makes the file with what is left of 0777 */
    for (int i = 0; i < ATTEMPTS && r == -EADDRINUSE; i++) {
        if (getrandom(&number, sizeof number, GRND_NONBLOCK) == -1)
            number = (unsigned)getpid() + (unsigned)i;
        snprintf(s->name, sizeof s->name, "%s.%06x", s->path, number & 0xffffff);
        memcpy(address.sun_path, s->name, sizeof address.sun_path);
        r = bind(s->fd, (struct sockaddr *)&address, sizeof address) == -1 ? -errno : 0;
    }
    umask(mask);
    return r;
}

/* Makes the file its owner's, has the socket listen, and remembers which file it is. Returns 0 or -errno. */
static int settle(struct socketfile *s, const struct identity *owner)
{
    struct stat st;

    if (owner && lchown(s->name, owner->uid, owner->gid) == -1)
        return -errno;
    if (lstat(s->name, &st) == -1 || listen(s->fd, BACKLOG) == -1)
        return -errno;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return 0;
}

int socketfile_open(struct socketfile *ret, const char *path, const struct identity *owner,
                    struct err *err)
{
    struct socketfile s = {.path = path};
    char quoted[ERR_QUOTE_MAX];
    int r;

    s.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s.fd == -1)
        return err_set(err, errno, "cannot make a socket for '%s'", err_quote(quoted, path));
    r = bind_beside(&s);
    if (r < 0) {
        close(s.fd);
        return err_set(err, -r, "cannot make the socket '%s'", err_quote(quoted, path));
    }
    r = settle(&s, owner);
    if (r < 0) {
        (void)unlink(s.name);
        close(s.fd);
        return err_set(err, -r, "cannot listen on '%s'", err_quote(quoted, path));
    }
    *ret = s;
    return 0;
}

int socketfile_publish(struct socketfile *s)
{
    struct err err;
    int r = socketfile_check(s->path, &err); /* rename(2) would replace a file, too */

    if (r < 0)
        return r;
    if (rename(s->name, s->path) == -1)
        return -errno;
    snprintf(s->name, sizeof s->name, "%s", s->path);
    return 0;
}

static bool is_ours(const struct socketfile *s)
{
    struct stat st;

    return lstat(s->name, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
}

void socketfile_close(struct socketfile *s, bool leave)
{
    if (s->fd == -1)
        return;
    if (!leave && is_ours(s))
        (void)unlink(s->name);
    close(s->fd);
    s->fd = -1;
}
