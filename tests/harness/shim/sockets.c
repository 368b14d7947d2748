/* sockets.c -- see shim.h: the calls about sockets, and those that wait for them.
 *
 * Each asks whether it has to fail, makes the call, and notes a descriptor that came or went. Where libc
 * has a second name for fortified programs, that is interposed, too.
 *
 * SPDX-License-Identifier: MIT */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define WATCHED_MAX 4096

/* libc's other names for these, which its headers declare only in some modes, or not at all */
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
int __poll_chk(struct pollfd *p, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *p, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
                size_t room);

/* --- sockets ------------------------------------------------------------------------------------ */

int socket(int family, int type, int protocol)
{
    if (call_fails(CALL_socket, HERE)) {
        books_fired_detail(family, type);
        return -1;
    }
    return fd_got(NEXT(socket)(family, type, protocol), CALL_socket, HERE);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t n)
{
    if (call_fails(CALL_setsockopt, HERE)) {
        books_fired_detail(level, option);
        return -1;
    }
    return NEXT(setsockopt)(fd, level, option, value, n);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *n)
{
    if (call_fails(CALL_getsockopt, HERE))
        return -1;
    return NEXT(getsockopt)(fd, level, option, value, n);
}

int bind(int fd, const struct sockaddr *addr, socklen_t n)
{
    if (call_fails(CALL_bind, HERE))
        return -1;
    return NEXT(bind)(fd, addr, n);
}

/* Tells whoever waits for it on which port that is, where the program cannot or may not. */
static void tell_port(int fd)
{
    const char *to = getenv("SHIM_READY");
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;

    if (to &&
        getsockname(fd, (struct sockaddr *)&addr, &len) == 0) /* the port stands in one place */
        dprintf(atoi(to), "%d\n", ntohs(((struct sockaddr_in *)&addr)->sin_port));
}

int listen(int fd, int backlog)
{
    int r;

    if (call_fails(CALL_listen, HERE))
        return -1;
    r = NEXT(listen)(fd, backlog);
    if (r == 0)
        tell_port(fd);
    return r;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *n, int flags)
{
    if (call_disturbed(CALL_accept4, HERE))
        return -1;
    return fd_got(NEXT(accept4)(fd, addr, n, flags), CALL_accept4, HERE);
}

int connect(int fd, const struct sockaddr *addr, socklen_t n)
{
    if (call_fails(CALL_connect, HERE))
        return -1;
    return NEXT(connect)(fd, addr, n);
}

int getsockname(int fd, struct sockaddr *addr, socklen_t *n)
{
    if (call_fails(CALL_getsockname, HERE))
        return -1;
    return NEXT(getsockname)(fd, addr, n);
}

/* Returns -1. Disconnecting (connect(2), AF_UNSPEC) resets a TCP connection; the error that is then due
 * has just been reported. */
static int broken(int fd)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    int code = errno, due;
    socklen_t len = sizeof due;

    if (code == ECONNRESET || code == EPIPE || code == ENOTCONN || code == ETIMEDOUT) {
        (void)connect(fd, &nowhere, sizeof nowhere);
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &due, &len);
    }
    errno = code;
    return -1;
}

int getpeername(int fd, struct sockaddr *addr, socklen_t *n)
{
    if (call_fails(CALL_getpeername, HERE))
        return broken(fd);
    return NEXT(getpeername)(fd, addr, n);
}

int shutdown(int fd, int how)
{
    if (call_fails(CALL_shutdown, HERE))
        return broken(fd);
    return NEXT(shutdown)(fd, how);
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    if (transfer_disturbed(CALL_send, HERE, fd, flags))
        return broken(fd);
    return NEXT(send)(fd, buf, transfer_part(HERE, n), flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (transfer_disturbed(CALL_sendmsg, HERE, fd, flags))
        return broken(fd);
    return NEXT(sendmsg)(fd, message, flags);
}

static ssize_t receive(const void *caller, int fd, void *buf, size_t n, int flags)
{
    size_t part = transfer_part(caller, n);
    ssize_t r;

    if (transfer_disturbed(CALL_recv, caller, fd, flags))
        return broken(fd);
    r = NEXT(recv)(fd, buf, part, flags);
    if (r > 0 && part < n)
        epoll_tell_again(fd);
    return r;
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    return receive(HERE, fd, buf, n, flags);
}

ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
    (void)room;
    return receive(HERE, fd, buf, n, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    if (transfer_disturbed(CALL_recvmsg, HERE, fd, flags))
        return broken(fd);
    return NEXT(recvmsg)(fd, message, flags);
}

/* --- waiting ------------------------------------------------------------------------------------ */

/* In which epoll a descriptor is, and how. Each is watched by one thread. */
static struct {
    int epoll_fd; /* plus 1 */
    struct epoll_event event;
} watched[WATCHED_MAX];

int epoll_create1(int flags)
{
    if (call_fails(CALL_epoll_create1, HERE))
        return -1;
    return fd_got(NEXT(epoll_create1)(flags), CALL_epoll_create1, HERE);
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    int r;

    if (call_fails(CALL_epoll_ctl, HERE))
        return -1;
    r = NEXT(epoll_ctl)(epoll_fd, op, fd, event);
    if (r == 0 && fd < WATCHED_MAX) {
        watched[fd].epoll_fd = op == EPOLL_CTL_DEL ? 0 : epoll_fd + 1;
        if (event)
            watched[fd].event = *event;
    }
    return r;
}

void epoll_forget(int fd)
{
    if (fd >= 0 && fd < WATCHED_MAX)
        watched[fd].epoll_fd = 0;
}

void epoll_tell_again(int fd)
{
    int saved = errno;

    if (fd < WATCHED_MAX && watched[fd].epoll_fd)
        (void)NEXT(epoll_ctl)(watched[fd].epoll_fd - 1, EPOLL_CTL_MOD, fd, &watched[fd].event);
    errno = saved;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int n, int timeout)
{
    if (call_disturbed(CALL_epoll_wait, HERE))
        return -1;
    return NEXT(epoll_wait)(epoll_fd, events, n, timeout);
}

int epoll_pwait2(int epoll_fd, struct epoll_event *events, int n, const struct timespec *timeout,
                 const sigset_t *signals)
{
    if (call_disturbed(CALL_epoll_pwait2, HERE))
        return -1;
    return NEXT(epoll_pwait2)(epoll_fd, events, n, timeout, signals);
}

int poll(struct pollfd *p, nfds_t n, int timeout)
{
    if (call_disturbed(CALL_poll, HERE))
        return -1;
    return NEXT(poll)(p, n, timeout);
}

int __poll_chk(struct pollfd *p, nfds_t n, int timeout, size_t room)
{
    (void)room;
    if (call_disturbed(CALL_poll, HERE))
        return -1;
    return NEXT(poll)(p, n, timeout);
}

int ppoll(struct pollfd *p, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    if (call_disturbed(CALL_ppoll, HERE))
        return -1;
    return NEXT(ppoll)(p, n, timeout, mask);
}

int __ppoll_chk(struct pollfd *p, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
                size_t room)
{
    (void)room;
    if (call_disturbed(CALL_ppoll, HERE))
        return -1;
    return NEXT(ppoll)(p, n, timeout, mask);
}

/* An errno comes as EAI_SYSTEM; a negative number is one of its own codes. A host "A+B" has the addresses
 * of both: freeaddrinfo(3) walks the list as it finds it. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    const char *plus = host ? strchr(host, '+') : NULL;
    struct addrinfo *last;
    char first[256];
    int r;

    if (call_fails(CALL_getaddrinfo, HERE))
        return fault_code() < 0 ? fault_code() : EAI_SYSTEM;
    if (!plus)
        return NEXT(getaddrinfo)(host, service, hints, ret);
    snprintf(first, sizeof first, "%.*s", (int)(plus - host), host);
    r = NEXT(getaddrinfo)(first, service, hints, ret);
    if (r != 0)
        return r;
    for (last = *ret; last->ai_next; last = last->ai_next)
        continue;
    return NEXT(getaddrinfo)(plus + 1, service, hints, &last->ai_next);
}
