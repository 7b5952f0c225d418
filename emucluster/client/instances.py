"""The clusters of this user on this machine, and how each is found and removed.

Each has a directory, named like the cluster, in `$XDG_RUNTIME_DIR/emucluster` or `/tmp/emu-UID`:
`lock` (held by the keeper for its life; its text names the keeper), `cluster.json` (once it is
ready), `token` (0600), `keeper.log`, and what nodes and control plane keep there.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from emucluster.core.errors import ClusterError, NameTaken, NotRunning, UsageError
from emucluster.live.keeper import warden
from emucluster.live.keeper.settings import RECORD_FILE, TOKEN_FILE, ClusterRecord

ENVIRONMENT = "EMUCLUSTER"
DEFAULT_NAME = "emu"
NAME_LENGTH_MAX = 40
RAY_PATH_MAX = 40
"""Ray adds about 63 characters to its directory for sockets, whose paths may have 107 bytes."""

TERM_WAIT_S = 8.0
KILL_WAIT_S = 15.0
_POLL_S = 0.02
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Keeper:
    """The process that a lock's text names."""

    pid: int
    started: int
    ray_directory: str

    @property
    def alive(self) -> bool:
        return warden.started_ticks(self.pid) == self.started


@dataclass(frozen=True, slots=True)
class Instance:
    """A cluster's directory, whatever state the cluster is in."""

    name: str
    directory: Path

    @property
    def record(self) -> ClusterRecord | None:
        """How to reach it; None while it starts."""
        try:
            data = (self.directory / RECORD_FILE).read_bytes()
            return msgspec.json.decode(data, type=ClusterRecord)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except msgspec.MsgspecError as error:
            raise ClusterError(
                f'cluster "{self.name}" was started by another version of emucluster ({error}); '
                f"`emucluster down {self.name}` removes it"
            ) from error

    @property
    def keeper(self) -> Keeper | None:
        """The keeper that was started for it; None if it never came to that."""
        try:
            words = (self.directory / "lock").read_text().split(maxsplit=2)
            return Keeper(int(words[0]), int(words[1]), words[2].strip())
        except (FileNotFoundError, IndexError, ValueError):
            return None

    @property
    def state(self) -> str:
        """`running`, `starting`, or `dead`: nobody holds its lock, something was left behind."""
        if not _held(self.directory / "lock"):
            return "dead"
        try:
            return "running" if self.record is not None else "starting"
        except ClusterError:
            return "running"


@dataclass(frozen=True, slots=True)
class NameClaim:
    """A name that is ours as long as `descriptor`, or a copy of it, is open."""

    instance: Instance
    descriptor: int

    def note_keeper(self, pid: int, ray_directory: Path) -> None:
        """Write into the lock whom to end, for those who find it later."""
        text = f"{pid} {warden.started_ticks(pid)} {ray_directory}\n"
        os.pwrite(self.descriptor, text.encode(), 0)


def base_directories() -> list[Path]:
    """Where this user's clusters may be; new ones go into the first."""
    found = []
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and _ours(Path(runtime)) and len(f"{runtime}/emucluster/.ray-0") <= RAY_PATH_MAX:
        found.append(Path(runtime) / "emucluster")
    return [*found, Path(f"/tmp/emu-{os.getuid()}")]


def _ours(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def prepare_base() -> Path:
    """The base directory, of this user alone. Raises `ClusterError` if somebody else made it."""
    base = base_directories()[0]
    while True:
        try:
            with contextlib.suppress(FileExistsError):
                base.mkdir(mode=0o700)
            if not _ours(base) and os.path.lexists(base):
                text = f"{base} belongs to somebody else; remove it or set XDG_RUNTIME_DIR"
                raise ClusterError(text)
            base.chmod(0o700)
            return base
        except FileNotFoundError as error:
            # The last other cluster went, and took the directory along; or there is no parent.
            if not base.parent.is_dir():
                raise ClusterError(f"{base}: {error.strerror}") from error
        except OSError as error:
            raise ClusterError(f"{base}: {error.strerror}") from error


def check_name(name: str) -> None:
    """Raises `UsageError` unless `name` is a DNS label of at most 40 characters."""
    if len(name) > NAME_LENGTH_MAX or not _NAME.fullmatch(name):
        raise UsageError(
            f"cluster name {name!r}: lower-case letters, digits and '-' (not at either end), "
            f"at most {NAME_LENGTH_MAX} characters"
        )


def claim_name(name: str | None) -> NameClaim:
    """Take a name, or the first free of emu, emu-2, ... Raises `NameTaken`.

    What a dead cluster left under the name is removed first.
    """
    if name is not None:
        check_name(name)
        return _claim(name)
    for number in range(1, 1000):
        with contextlib.suppress(NameTaken):
            return _claim(DEFAULT_NAME if number == 1 else f"{DEFAULT_NAME}-{number}")
    raise NameTaken("no free cluster name: give one with --name")


def _claim(name: str) -> NameClaim:
    base = prepare_base()
    instance = Instance(name, base / name)
    for other in (Instance(name, directory / name) for directory in base_directories()):
        if other.directory.exists():
            if other.state != "dead":
                raise NameTaken(
                    f'cluster "{name}" is already {other.state}; choose another --name, '
                    f"or remove it with `emucluster down {name}`"
                )
            sweep(other)
    return _appear(instance)


def _appear(instance: Instance) -> NameClaim:
    """Make the directory under another name and lock it: whoever finds it, finds it held."""
    started = warden.started_ticks(os.getpid())
    draft = instance.directory.parent / f".new-{os.getpid()}-{started}-{secrets.token_hex(6)}"
    with contextlib.ExitStack() as failed:
        failed.callback(shutil.rmtree, draft, ignore_errors=True)
        try:
            descriptor = _fill(draft, failed)
        except OSError as error:
            raise ClusterError(f"{draft.parent}: {error.strerror}") from error
        try:
            draft.rename(instance.directory)
        except OSError as error:
            text = f'cluster "{instance.name}" is being started already'
            raise NameTaken(text) from error
        failed.pop_all()
    return NameClaim(instance, descriptor)


def _fill(draft: Path, failed: contextlib.ExitStack) -> int:
    """Make the directory with its held lock and its token; `failed` closes the lock again."""
    while True:
        try:
            draft.mkdir(mode=0o700)
            break
        except FileNotFoundError:  # the last other cluster went, and the base directory with it
            prepare_base()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(draft / "lock", flags, 0o600)
    failed.callback(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    token = os.open(draft / TOKEN_FILE, flags, 0o600)
    failed.callback(os.close, token)
    os.write(token, secrets.token_hex(32).encode())
    return descriptor


def list_instances() -> list[Instance]:
    """All clusters of this user, dead ones too, by name."""
    return sorted(_instances(), key=lambda instance: instance.name)


def _instances() -> Iterator[Instance]:
    for base in base_directories():
        if not _ours(base):
            continue
        try:
            entries = list(base.iterdir())
        except FileNotFoundError:  # the last cluster went just now
            continue
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_dir():
                yield Instance(entry.name, entry)


def find(name: str | None = None) -> ClusterRecord:
    """The running cluster `name`, else that of `$EMUCLUSTER`, else the only one that runs.

    Raises `NotRunning`, or `UsageError` where several run and none is named.
    """
    name = name or os.environ.get(ENVIRONMENT) or None
    if name is not None:
        check_name(name)
    running = [found for found in list_instances() if found.state == "running"]
    chosen = [found for found in running if name is None or found.name == name]
    if len(chosen) > 1:
        names = ", ".join(found.name for found in chosen)
        raise UsageError(
            f"several clusters run ({names}): choose one with --cluster or {ENVIRONMENT}"
        )
    record = chosen[0].record if chosen else None
    if record is None:
        others = f" (running: {', '.join(found.name for found in running)})" if running else ""
        raise NotRunning(
            f'no cluster "{name}" is running{others}'
            if name
            else "no cluster is running; start one with `emucluster up`"
        )
    return record


def instance(name: str) -> Instance:
    """The cluster of this name in any state. Raises `NotRunning` if there is no trace of it."""
    check_name(name)
    for found in list_instances():
        if found.name == name:
            return found
    raise NotRunning(f'no cluster "{name}" is running')


def sweep_dead() -> None:
    """Remove what dead clusters left, those whose warden was killed as well."""
    for found in list_instances():
        if found.state == "dead":
            sweep(found)
    sweep_litter()


def sweep_litter() -> None:
    """Remove directories, with tokens in them, that an interrupted start or removal left."""
    for base in base_directories():
        if not _ours(base):
            continue
        _sweep_graves(base)
        for draft in base.glob(".new-*"):
            if not _made_by_the_living(draft.name):
                warden.remove_tree(str(draft))
        with contextlib.suppress(OSError):
            base.rmdir()  # only if nothing is in it


def _sweep_graves(base: Path) -> None:
    """What was renamed is nobody's any more: if another removes it too, both succeed."""
    for grave in base.glob(".gone-*"):
        warden.remove_tree(str(grave))


def _made_by_the_living(draft: str) -> bool:
    """Whether the maker of `.new-PID-STARTED-RANDOM` still runs."""
    matched = re.fullmatch(r"\.new-(\d+)-(\d+)-[0-9a-f]+", draft)
    return matched is not None and warden.started_ticks(int(matched[1])) == int(matched[2])


def sweep(found: Instance, *, term_wait_s: float = TERM_WAIT_S) -> None:
    """End a cluster in whatever state it is: every process, socket and file of it, nothing else.

    The keeper is asked first, and killed after `term_wait_s`. Returns when all is gone. Raises
    `ClusterError` when something cannot be removed.
    """
    keeper = found.keeper
    guard = warden.noted(str(found.directory))
    if keeper is not None and keeper.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper.pid, signal.SIGTERM)
        _wait(lambda: not keeper.alive, term_wait_s)
    left = warden.end_session(keeper.pid, keeper.started) if keeper is not None else []
    if left:
        raise ClusterError(f'cluster "{found.name}": processes {left} cannot be ended')
    guard = warden.noted(str(found.directory)) or guard  # the keeper may just have started it
    if guard is not None:
        warden.end_process(*guard)  # one that is stopped would stay; its work is done here
    others = [keeper.ray_directory] if keeper is not None else []
    # Its warden may be at the same work; whoever holds the lock of the directory does it.
    if not _wait(lambda: warden.remove_instance(str(found.directory), *others), KILL_WAIT_S):
        raise ClusterError(f"{found.directory} is still held by a process")
    base = found.directory.parent
    _sweep_graves(base)
    with contextlib.suppress(OSError):
        base.rmdir()  # only if that was the last cluster


def _wait(condition: Callable[[], object], wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_S)
    return True


def _held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
