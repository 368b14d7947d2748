/* socketfile.h -- a listening Unix socket with a name in the file system, made, moved and removed without
 * a moment in which it is open to others, missing, or somebody else's.
 *
 * It is bound to a name of its own beside the one it is meant for, with mode 0600 from the start, and
 * listens there. socketfile_publish() renames it into place, over a predecessor or a stale one, so whoever
 * connects to the path reaches the one or the other. At the end it is removed if it is still the one that
 * stands there.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_SOCKETFILE_H
#define NET_SOCKETFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

struct err;
struct identity;

/* The longest path: the name beside it has to fit into sun_path, too. */
#define SOCKETFILE_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 - 8)

struct socketfile {
    int fd; /* listens, does not block; -1: none */
    const char *path;
    char name[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* where it is now */
    dev_t dev;
    ino_t ino;
};

/* May a socket stand at 'path'? Returns 0 if there is one (of whoever) or nothing; or -errno. */
int socketfile_check(const char *path, struct err *err);

/* The directory that 'path' is in; the path has passed the check. */
void socketfile_dir(char out[static SOCKETFILE_PATH_MAX + 1], const char *path);

/* Makes one beside 'path', which must outlive it, for 'owner' to move and remove (NULL: for us). To be called
 * with one thread, because the file mode mask belongs to all. Returns 0 or -errno. */
int socketfile_open(struct socketfile *ret, const char *path, const struct identity *owner,
                    struct err *err);

/* Puts it in its place. Returns 0 or -errno. */
int socketfile_publish(struct socketfile *s);

/* Closes it, and removes its name unless 'leave' is set. The name goes first: who finds it gone will not
 * find it replaced by us later. */
void socketfile_close(struct socketfile *s, bool leave);

#endif
