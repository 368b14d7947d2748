/* handover.c -- see handover.h.
 *
 * SPDX-License-Identifier: MIT */
#include "handover.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PROTOCOL "meari-takeover "
#define VERSION "1 "

static const char *const words[] = {
    [HANDOVER_HELLO] = "hello",     [HANDOVER_LISTENERS] = "listeners", [HANDOVER_BUSY] = "busy",
    [HANDOVER_SERVING] = "serving", [HANDOVER_YOURS] = "yours",         [HANDOVER_LATE] = "late",
};
#define N_WORDS (sizeof words / sizeof *words)

/* --- messages ----------------------------------------------------------------------------------- */

/* If the text goes on with 'word', skips it. */
static bool skip(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

/* " 3", at most HANDOVER_MAX, in the one way to write it. */
static int parse_count(struct handover_message *m, const char *text)
{
    if (!skip(&text, " ") || *text < '1' || *text > '9')
        return -EPROTO;
    for (m->n = 0; *text >= '0' && *text <= '9' && m->n <= HANDOVER_MAX; text++)
        m->n = 10 * m->n + (size_t)(*text - '0');
    return *text == '\0' && m->n <= HANDOVER_MAX ? 0 : -EPROTO;
}

/* " 101" */
static int parse_served(struct handover_message *m, const char *text)
{
    size_t n;

    if (!skip(&text, " "))
        return -EPROTO;
    n = strspn(text, "01");
    if (n == 0 || n > HANDOVER_MAX || text[n] != '\0')
        return -EPROTO;
    for (m->n = 0; m->n < n; m->n++)
        m->served[m->n] = text[m->n] == '1';
    return 0;
}

static int parse_rest(struct handover_message *m, const char *text)
{
    switch (m->word) {
    case HANDOVER_LISTENERS:
        return parse_count(m, text);
    case HANDOVER_SERVING:
        return parse_served(m, text);
    case HANDOVER_HELLO:
    case HANDOVER_BUSY:
    case HANDOVER_YOURS:
    case HANDOVER_LATE:
        break;
    }
    return *text == '\0' ? 0 : -EPROTO;
}

int handover_parse(struct handover_message *ret, const char *text, size_t length)
{
    char copy[HANDOVER_TEXT_MAX];
    const char *rest = copy;

    if (length >= sizeof copy || memchr(text, '\0', length))
        return -EPROTO;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (!skip(&rest, PROTOCOL))
        return -EPROTO;
    if (!skip(&rest, VERSION))
        return -EPROTONOSUPPORT;
    for (size_t i = 0; i < N_WORDS; i++) {
        struct handover_message m = {.word = (enum handover_word)i};
        int r;

        if (!skip(&rest, words[i]))
            continue;
        r = parse_rest(&m, rest);
        if (r == 0)
            *ret = m;
        return r;
    }
    return -EPROTO;
}

size_t handover_text(char out[static HANDOVER_TEXT_MAX], const struct handover_message *message)
{
    int used = snprintf(out, HANDOVER_TEXT_MAX, PROTOCOL VERSION "%s", words[message->word]);
    size_t length = (size_t)used;

    if (message->word == HANDOVER_LISTENERS)
        length += (size_t)snprintf(out + used, HANDOVER_TEXT_MAX - length, " %zu", message->n);
    if (message->word == HANDOVER_SERVING) {
        out[length++] = ' ';
        for (size_t i = 0; i < message->n && i < HANDOVER_MAX; i++)
            out[length++] = message->served[i] ? '1' : '0';
        out[length] = '\0';
    }
    return length;
}

/* --- the socket --------------------------------------------------------------------------------- */

int handover_connect(int *ret_fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == -1) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int handover_accept(int fd)
{
    int connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return connection == -1 ? -errno : connection;
}

int handover_peer(int fd, pid_t *ret_pid, uid_t *ret_uid)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
        return -errno;
    *ret_pid = peer.pid;
    *ret_uid = peer.uid;
    return 0;
}

/* Room for the descriptors of a message, aligned as cmsg(3) wants it. */
union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(HANDOVER_MAX * sizeof(int))];
};

int handover_send(int fd, const struct handover_message *message, const int *fds)
{
    char text[HANDOVER_TEXT_MAX];
    struct iovec iov = {.iov_base = text, .iov_len = handover_text(text, message)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    size_t size = message->n * sizeof(int);
    union control control = {.room = {0}};

    if (message->word == HANDOVER_LISTENERS) {
        control.align = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(size)};
        memcpy(CMSG_DATA(&control.align), fds, size);
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(size);
    }
    if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
        return errno == ENOBUFS ? -ENOMEM : -errno; /* either says so (sock_alloc_send_pskb) */
    return 0;
}

/* The descriptors that came with a message. Returns their number. */
static size_t take_fds(struct msghdr *msg, int fds[HANDOVER_MAX])
{
    size_t n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), n * sizeof(int));
    }
    return n;
}

int handover_receive(int fd, struct handover_message *ret, int fds[HANDOVER_MAX])
{
    char text[HANDOVER_TEXT_MAX];
    union control control;
    struct iovec iov = {.iov_base = text, .iov_len = sizeof text};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct handover_message m;
    size_t n_fds = 0, wanted;
    ssize_t n;
    int r;

    if (fds) { /* otherwise the kernel drops what comes */
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
    }
    n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return n == 0 ? 0 : -errno;
    if (fds)
        n_fds = take_fds(&msg, fds);
    if (fds && msg.msg_flags & MSG_CTRUNC) /* there is room for all that fit a message (unix(7)) */
        r = -EMFILE;
    else if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        r = -EPROTO;
    else
        r = handover_parse(&m, text, (size_t)n);
    wanted = r == 0 && m.word == HANDOVER_LISTENERS ? m.n : 0;
    if (r == 0 && n_fds != wanted)
        r = -EPROTO;
    if (r == 0) {
        *ret = m;
        return 1;
    }
    while (n_fds > 0)
        close(fds[--n_fds]);
    return r;
}

bool handover_hung_up(int fd)
{
    struct pollfd p = {.fd = fd, .events = 0};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

void handover_close(int fd)
{
    (void)close(fd);
}
