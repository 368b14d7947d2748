"""Runs a program in somebody else's sandbox: filtered.py ERRNO CALL[,CALL...] -- COMMAND...

The system calls fail with this errno, as under a container's profile or a service manager's filter; with
KILL for an errno they end the process.
"seccomp" stands for both ways to install a filter, "socket" for all sockets but those of AF_UNIX.
"""

import ctypes
import errno
import os
import sys

ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
NOT_EQUAL, EQUAL = 1, 4
PR_SET_SECCOMP = 22

lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p


class ArgCmp(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


split = sys.argv.index("--")
action = KILL_PROCESS if sys.argv[1] == "KILL" else ERRNO | getattr(errno, sys.argv[1])
calls, command = sys.argv[2].split(","), sys.argv[split + 1:]
rules = [(call, ArgCmp(0, NOT_EQUAL, 1, 0) if call == "socket" else None) for call in calls]
if "seccomp" in calls:
    rules.append(("prctl", ArgCmp(0, EQUAL, PR_SET_SECCOMP, 0)))

context = ctypes.c_void_p(lib.seccomp_init(ALLOW))
for call, when in rules:
    number = lib.seccomp_syscall_resolve_name(call.encode())
    assert number != -1, f"there is no system call {call}"
    assert lib.seccomp_rule_add_array(context, ctypes.c_uint32(action), number,
                                      int(when is not None), ctypes.byref(when) if when else None) == 0
assert lib.seccomp_load(context) == 0
os.execvp(command[0], command)
