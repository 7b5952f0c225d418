"""Runs before a command: container in the child, then becomes it. Standard library only.

Called as `python -I -S launcher.py PARENT_PID group|terminal TELL EXECUTABLE ARGS...`; `terminal`
makes standard input the controlling terminal of a session of its own. Why EXECUTABLE cannot be
executed is written to the descriptor TELL; it is closed with nothing written once it runs. Code
between fork and exec of a process with threads is unsafe, so this is a program of its own.
"""

import ctypes
import fcntl
import os
import signal
import sys
import termios

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, place, tell, argv = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    if place == "terminal":
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    else:
        os.setpgid(0, 0)  # a group of its own, in the session of the cluster
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(137)
    keep_standard_streams(tell)
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(tell, f"exec {argv[0]}: {error.strerror}\n".encode(errors="surrogateescape"))
        os._exit(126 if isinstance(error, PermissionError) else 127)


def keep_standard_streams(tell: int) -> None:
    """Close what was inherited besides 0, 1 and 2, when EXECUTABLE runs at the latest.

    Not all that spawns does so (uvloop closes only what is marked close-on-exec), and a worker of
    Ray has logs, pipes and shared memory open that are not.
    """
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd != tell:
            try:
                os.close(fd)
            except OSError:  # the one by which the directory was listed
                pass
    if tell > 2:
        os.set_inheritable(tell, False)


main()
