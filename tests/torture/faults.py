"""Which faults there are, what they may do, and what is tolerated on purpose.

FAULTS has the errors that the man pages allow each call, as far as a program could react to them
differently; the names of calls are those of tests/harness/shim/shim.h. What cannot happen is left out:
  - connect is not interrupted, because the client's sockets do not block (connect(2): EINPROGRESS);
  - epoll_wait knows no errors but EINTR when its arguments are right, and epoll_pwait2 may be unknown;
  - nothing is interrupted for ever (so EINTR is tried with "once" only; the storms repeat it).

SPDX-License-Identifier: MIT
"""

import collections
import errno
import os

Fault = collections.namedtuple("Fault", "call nth code mode")

EAI = {"EAI_AGAIN": -3, "EAI_MEMORY": -10}  # netdb.h

FAULTS = {
    "alloc": ["ENOMEM"],
    "socket": ["EMFILE", "ENOBUFS", "EAFNOSUPPORT"],
    "setsockopt": ["ENOPROTOOPT"],
    "getsockopt": ["ENOBUFS"],
    "bind": ["EADDRINUSE", "EACCES"],
    "listen": ["EADDRINUSE"],
    # accept(2): its own, and those that Linux passes on from the network
    "accept4": ["EINTR", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EPERM", "ECONNABORTED", "EPROTO",
                "ENOPROTOOPT", "ENETDOWN", "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "EOPNOTSUPP",
                "ENETUNREACH", "ETIMEDOUT"],
    "connect": ["ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "EADDRNOTAVAIL"],
    "getsockname": ["ENOBUFS"],
    "getpeername": ["ENOTCONN", "ENOBUFS"],
    "shutdown": ["ENOTCONN"],
    "send": ["EINTR", "ECONNRESET", "EPIPE", "ENOMEM"],
    "sendmsg": ["ENOMEM"],
    "recvmsg": ["ENOMEM"],
    "recv": ["EINTR", "ECONNRESET", "ETIMEDOUT", "ENOMEM"],
    "read": ["EINTR", "EIO"],
    "write": ["EINTR", "EIO", "ENOSPC"],
    "poll": ["EINTR", "ENOMEM"],
    "ppoll": ["EINTR", "ENOMEM"],
    "epoll_create1": ["EMFILE", "ENOMEM"],
    "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "epoll_wait": ["EINTR"],
    "epoll_pwait2": ["EINTR", "ENOSYS"],
    "eventfd": ["EMFILE", "ENOMEM"],
    "open": ["EINTR", "EMFILE", "EACCES"],
    "fopen": ["EMFILE", "EACCES"],
    "fdopen": ["ENOMEM"],
    "fcntl": ["EMFILE"],
    "dup": ["EMFILE"],
    "fstat": ["ENOMEM"],
    "close": ["EINTR", "EIO"],
    "mkdir": ["EROFS"],
    "rename": ["ENOSPC"],
    "mmap": ["ENOMEM"],
    "getrlimit": ["EINVAL"],
    "setrlimit": ["EPERM"],
    "sched_getaffinity": ["EINVAL"],
    "getaddrinfo": ["EMFILE", "EAI_AGAIN", "EAI_MEMORY"],
    "pthread_create": ["EAGAIN"],
    "tcgetattr": ["EIO"],
    "tcsetattr": ["EIO"],
    "setlocale": ["ENOENT"],
    "prctl": ["EPERM"],
    "syscall": ["EPERM", "ENOSYS"],  # capset, capget, landlock_*
    "setgroups": ["EPERM"],
    "setresgid": ["EPERM"],
    "setresuid": ["EAGAIN"],
    "seccomp_init": ["ENOMEM"],
    "seccomp_load": ["EINVAL"],
}
# One of each kind is enough for ever: of the listener, of a connection that is gone, of what runs out
FOR_EVER = {"accept4": ["EMFILE", "ECONNABORTED", "ENOMEM"],
            # who can never speak to another server, or hear it, serves beside it
            "sendmsg": [], "recvmsg": []}
ALLOCATIONS = ["malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "strdup", "asprintf",
               "getdelim", "cpu_alloc"]

# Faults after which one client may get less than all: they say that its connection is gone.
# send: ENOMEM, because TCP itself waits for memory (tcp_sendmsg_locked), and what else refuses a send
# cannot be waited for: nothing would tell when to try again.
CUTTING = {("recv", "ECONNRESET"), ("recv", "ETIMEDOUT"), ("send", "ECONNRESET"), ("send", "EPIPE"),
           ("send", "ENOMEM"), ("shutdown", "ENOTCONN"), ("getpeername", "ENOTCONN")}

# What a starting server may live without, and why. All else that fails at the start must be its end.
TOLERATED_AT_START = {
    "getsockopt": "the backlog in force is only shown; the one that was asked for is shown instead",
    "accept4": "there is nobody yet; it is asked again",
    "epoll_ctl": "at the listener it is asked again in 100 ms",
    "epoll_wait": "interrupted: asked again",
    "poll": "asked again",
    "close": "the descriptor is gone, whatever close(2) says",
    "fopen": "then the machine's memory limits none",
    "fstat": "only tells how to write the log without blocking; then poll(2) tells",
    "open": "a description of its own for the log; without one, poll(2) tells when to write",
    "write": "a line of the log that cannot be written is counted, and the service goes on",
    "getrlimit": "then the limit is taken for the usual 1024",
    "setrlimit": "then the limit stays",
    "sched_getaffinity": "then one worker has to do",
    "cpu_alloc": "likewise",
    "read": "none but of the wake-up, which cannot fail",
}
# ... or without only when the error is this one
TOLERATED_ERRORS = {("socket", "EAFNOSUPPORT"): "no IPv6 here: a bare port is one of IPv4"}
# ... of sockets only this, by family: AF_UNIX, which is asked for the names of interfaces
TOLERATED_FAMILIES = {1}
# ... and of setsockopt only these, by (level, option): comfort, not correctness
TOLERATED_OPTIONS = {(6, 1): "TCP_NODELAY", (1, 9): "SO_KEEPALIVE", (1, 7): "SO_SNDBUF",
                     (1, 8): "SO_RCVBUF"}


# Without these for ever nothing can be served: the server says so, and ends with 1.
ENGINE_FAILS = {("poll", "ENOMEM")}

# A client says these in its own words: its peer has gone.
SAID_OTHERWISE = {("send", "EPIPE"): "connection closed", ("send", "ECONNRESET"): "connection closed"}


def number(name):
    return EAI[name] if name in EAI else getattr(errno, name)


def reason(name):
    """What the system says about it."""
    texts = {"EAI_AGAIN": "Temporary failure in name resolution",
             "EAI_MEMORY": "Memory allocation failure"}
    return texts.get(name) or os.strerror(number(name))


def words(fault):
    """How an error line may end."""
    said = SAID_OTHERWISE.get((fault.call, fault.code))
    return [reason(fault.code), *([said] if said else [])]


def text(fault):
    return f"{fault.call}:{fault.nth}:{fault.code}:{fault.mode}"


def for_shim(fault):
    return f"{fault.call}:{fault.nth}:{number(fault.code)}:{fault.mode}"


def parse(words):
    call, nth, code, mode = words.split(":")
    return Fault(call, int(nth), code, mode)
