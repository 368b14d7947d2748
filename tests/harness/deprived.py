"""What a program can be started without: netlink, /proc.

    subprocess.Popen(command, preexec_fn=refuse_netlink)
    subprocess.Popen([*WITHOUT_PROC, *command])

SPDX-License-Identifier: MIT
"""

import ctypes
import errno
import os
import platform
import socket
import struct

# A mount namespace of its own, where an empty folder covers /proc.
WITHOUT_PROC = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]

SYS_SOCKET = {"x86_64": 41, "aarch64": 198, "riscv64": 198}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2  # <linux/prctl.h>, <linux/seccomp.h>
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # of classic BPF: <linux/bpf_common.h>
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data; of the argument, its lower half


def refuse_netlink():
    """From now on socket(AF_NETLINK, …) fails in this process, as if the kernel knew no such family."""
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in [
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_EQUAL, 0, 3, SYS_SOCKET[platform.machine()]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_IF_EQUAL, 0, 1, socket.AF_NETLINK),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EAFNOSUPPORT),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ])
    instructions = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
