"""Runs a command. A process that it leaves behind is named, ended, and makes it fail.

    python scripts/leaves_nothing.py COMMAND [ARGUMENT ...]

Orphans become children of this process, so that none escapes by a session or a name of its own.
Exits with the command's code, or with 1 if that is 0 and something was left.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 15.0
"""What was killed, or has just been told to end, may take so long to be gone."""


def main(command: list[str]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # Ctrl-C goes to the command as well, whose end is waited for. A handler and not SIG_IGN: the
    # command would inherit that, as it does from a shell that runs us in the background.
    signal.signal(signal.SIGINT, lambda *_: None)
    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = _wait_for(process.pid)
    end_s = time.monotonic() + GRACE_S
    while (left := _descendants()) and time.monotonic() < end_s:
        time.sleep(0.1)
    if not left:
        return code
    print("left behind, and ended now:", file=sys.stderr)
    for pid, words in left.items():
        print(f"  {pid}: {words}", file=sys.stderr)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return code or 1


def _wait_for(pid: int) -> int:
    """Take in every child that ends until it is this one; returns its code as a shell tells it."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _descendants() -> dict[int, str]:
    """What runs below this process, by pid; children that have ended are taken in."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return {}
    parents = {int(name): _parent(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: _words(pid) for pid in sorted(found - {os.getpid()})}


def _parent(pid: int) -> int:
    """0 for a process that is gone, or that has ended and waits for its parent."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state, parent = file.read().rpartition(") ")[2].split()[:2]
    except OSError:
        return 0
    return 0 if state in "ZX" else int(parent)


def _words(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(gone)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
