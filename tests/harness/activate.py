"""Runs a program the way a service manager does that opened its sockets: activate.py FD... -- COMMAND...

The descriptors become 3, 4, ... of the command, and LISTEN_PID names it, which only the process itself can
do before it becomes the command. LISTEN_FDS is their number, unless the environment says otherwise; an
empty LISTEN_PID in the environment is filled in, another one is left alone.
"""

import fcntl
import os
import sys

split = sys.argv.index("--")
descriptors, command = [int(fd) for fd in sys.argv[1:split]], sys.argv[split + 1:]
# out of the way first, so that none is overwritten before its turn
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in descriptors]
os.closerange(3, 100)
for target, fd in enumerate(high, 3):
    os.dup2(fd, target)
    os.close(fd)
os.environ["LISTEN_PID"] = os.environ.get("LISTEN_PID") or str(os.getpid())
os.environ.setdefault("LISTEN_FDS", str(len(descriptors)))
os.execvp(command[0], command)
