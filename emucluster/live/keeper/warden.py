"""What is left of a cluster, and how it goes: by session, by mark, and nothing else.

Every process of a private Ray keeps the session of the keeper that started it, whatever becomes
of its process group, title or parent. So the session number is the one sure way to find Ray's
agents, which outlive a killed raylet by a minute. Programs of pods that leave the session still
carry the keeper's mark in their environment.

Run as a script, this file is the *warden*: a process of its own session that waits for the keeper
to end, however that happens, and then removes every trace. Only the standard library is imported,
so that the warden stays small.
"""

import fcntl
import os
import signal
import sys
import time

MARK = "EMUCLUSTER_KEEPER"
"""Environment variable that every process of a cluster inherits: `PID.STARTED` of its keeper."""

NOTE_FILE = "warden"
"""In a cluster's directory: `PID STARTED` of its warden."""

SWEEP_PAUSE_S = 0.02
REMOVE_WAIT_S = 10.0


def started_ticks(pid: int) -> int | None:
    """When `pid` started, in clock ticks since boot; None if there is no such process or a zombie.

    A pid and its start together name a process for good: a reused pid has another start.
    """
    fields = _stat(pid)
    return None if fields is None or _ended(fields) else int(fields[19])


def stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal, or by a tracer."""
    fields = _stat(pid)
    return fields is not None and fields[0] in ("T", "t")


def session_of(pid: int) -> int | None:
    """The session number of a process that is not a zombie."""
    fields = _stat(pid)
    return None if fields is None or _ended(fields) else int(fields[3])


def _ended(fields: list[str]) -> bool:
    """Whether a process is a zombie as a whole.

    Its first thread may be one while others are still about to end: till then sockets are open.
    """
    return fields[0] in ("Z", "X") and int(fields[17]) <= 1


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the command, whose text may hold spaces and brackets."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().decode("utf-8", "replace").rpartition(") ")[2].split()
    except OSError:
        return None


def processes() -> list[int]:
    """All pids visible here."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def marked(pid: int, mark: str) -> bool:
    """Whether `pid` carries this mark; False for what we may not read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return f"{MARK}={mark}".encode() in environ.read().split(b"\0")
    except OSError:
        return False


def members(keeper_pid: int, keeper_started: int) -> list[int]:
    """The living processes of a keeper's cluster, the keeper itself among them if it lives.

    While any process of a session lives, the kernel gives its number to no new process. So if the
    keeper's pid belongs to someone else now, the session is gone, and its number means nothing.
    """
    holder = _stat(keeper_pid)
    reused = holder is not None and int(holder[19]) != keeper_started
    mark = f"{keeper_pid}.{keeper_started}"
    return [
        pid
        for pid in processes()
        if (session := session_of(pid)) is not None
        and ((session == keeper_pid and not reused) or marked(pid, mark))
    ]


def end_session(keeper_pid: int, keeper_started: int, *, deadline_s: float = 15.0) -> list[int]:
    """SIGKILL all members until none is left; returns those that outlived `deadline_s`."""
    end = time.monotonic() + deadline_s
    while left := [pid for pid in members(keeper_pid, keeper_started) if pid != os.getpid()]:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        if time.monotonic() >= end:
            return left
        time.sleep(SWEEP_PAUSE_S)
    return []


def note(directory: str, pid: int) -> None:
    """Write down who guards this cluster. No error if the directory is gone already."""
    try:
        with open(os.path.join(directory, NOTE_FILE), "w") as file:
            file.write(f"{pid} {started_ticks(pid)}\n")
    except OSError:
        pass


def noted(directory: str) -> tuple[int, int] | None:
    """Pid and start of the warden that was noted, None if there is no such note."""
    try:
        with open(os.path.join(directory, NOTE_FILE)) as file:
            pid, started = file.read().split()
        return int(pid), int(started)
    except (OSError, ValueError):
        return None


def end_process(pid: int, started: int) -> None:
    """SIGKILL one process, which ends a stopped one too; nothing if it is gone."""
    if started_ticks(pid) == started:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def remove_tree(path: str) -> None:
    """Remove a directory and all in it; no error if it is not there or being removed by another."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def remove_instance(directory: str, *others: str) -> bool:
    """Remove a dead instance: True unless somebody holds its lock.

    The directory is first renamed under the lock, so that its name is free at once and a cluster
    that is just being started under the same name is never touched.
    """
    lock_path = os.path.join(directory, "lock")
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return not os.path.isdir(directory)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino != os.stat(lock_path).st_ino:
            return True
        for other in others:
            remove_tree(other)
        base, name = os.path.split(directory)
        grave = os.path.join(base, f".gone-{name}-{os.getpid()}")
        os.rename(directory, grave)
        remove_tree(grave)
        os.rmdir(base)  # fails, as it should, unless that was the last cluster
    except BlockingIOError:
        return False
    except OSError:
        pass
    finally:
        os.close(lock)
    return True


def watch(lifeline: int, keeper_pid: int, keeper_started: int, paths: list[str]) -> None:
    """Wait for the keeper's end of the pipe to close, then remove what it left."""
    while os.read(lifeline, 64):
        pass
    end_session(keeper_pid, keeper_started)
    # Somebody may hold the lock for a moment, to see whether the cluster lives.
    end = time.monotonic() + REMOVE_WAIT_S
    while not remove_instance(*paths) and time.monotonic() < end:
        time.sleep(SWEEP_PAUSE_S)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    lifeline, keeper_pid, keeper_started = (int(text) for text in sys.argv[1:4])
    watch(lifeline, keeper_pid, keeper_started, sys.argv[4:])


if __name__ == "__main__":
    main()
