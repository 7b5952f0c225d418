"""Starting a cluster that outlives the one who starts it, and stopping one from anywhere."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from emucluster import __version__
from emucluster.client import instances, preflight
from emucluster.client.instances import NameClaim
from emucluster.client.options import StartOptions
from emucluster.client.slices import SliceClaim, claim_slice
from emucluster.core.addresses import CONTROL_PLANES, Slice
from emucluster.core.errors import ClusterError, UsageError
from emucluster.live.keeper import warden
from emucluster.live.keeper.environment import keeper_environment
from emucluster.live.keeper.settings import (
    LOG_FILE,
    TOKEN_FILE,
    ClusterRecord,
    Implementations,
    KeeperSettings,
)

Progress = Callable[[str], None]

_LOG_TAIL_LINES = 15
RAY_DEADLINE = "EMUCLUSTER_RAY_DEADLINE_S"
"""Environment variable: how long joining a Ray may take, in seconds."""
RAY_DEADLINE_MAX_S = 86_400.0


def start_cluster(
    options: StartOptions,
    *,
    progress: Progress = lambda _text: None,
    implementations: Implementations | None = None,
    owned: bool = False,
) -> ClusterRecord:
    """Start a cluster and return once it serves.

    `progress` is called with a line whenever something begins. With `owned` the cluster belongs to
    this process, and ends when this process does, even if it is killed. Raises `PreflightFailed`,
    `NameTaken`, or `ClusterError` with the reason; then, and when interrupted, nothing is left.
    """
    _check_deadline(os.environ.get(RAY_DEADLINE))
    progress("checking the machine")
    preflight.check(options)
    instances.sweep_dead()
    with contextlib.ExitStack() as held:
        name = instances.claim_name(options.name)
        # Ours until the keeper has a copy; if it never gets one, the directory is swept as dead.
        held.callback(os.close, name.descriptor)
        try:
            slice_ = claim_slice()
            held.callback(os.close, slice_.descriptor)
            chosen = implementations or Implementations()
            launched = _Launch(options, name, slice_, chosen, owned=owned)
            held.callback(launched.close)
            return launched.wait_ready(progress)
        except BaseException as error:
            with _uninterrupted():
                held.close()
                _sweep_failed(name)
            if isinstance(error, OSError):
                raise ClusterError(f"the keeper cannot be started: {error}") from error
            raise


def stop_cluster(name: str) -> None:
    """Remove every trace of a cluster, in whatever state. Raises `NotRunning` if there is none."""
    instances.sweep(instances.instance(name))


def _sweep_failed(name: NameClaim) -> None:
    """A start that failed leaves nothing."""
    instances.sweep(name.instance, term_wait_s=0.5)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """No further Ctrl-C counts meanwhile: only for what is short and must not be left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C goes to the main thread
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_deadline(text: str | None) -> None:
    """The keeper reads it when it is imported, and could not say what is wrong."""
    try:
        right = text is None or 0 < float(text) <= RAY_DEADLINE_MAX_S
    except ValueError:
        right = False
    if not right:
        raise UsageError(
            f"{RAY_DEADLINE}: must be above 0 and at most {RAY_DEADLINE_MAX_S:g} s, got {text!r}"
        )


class _Launch:
    """A keeper that was just spawned, until it says how it went."""

    def __init__(
        self,
        options: StartOptions,
        name: NameClaim,
        slice_: SliceClaim,
        implementations: Implementations,
        *,
        owned: bool,
    ) -> None:
        directory = name.instance.directory
        ray_directory = directory.parent / f".ray-{slice_.index}"
        ready, ready_fd = os.pipe()
        self._ready = os.fdopen(ready, "rb")
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        log = os.open(directory / LOG_FILE, flags, 0o600)
        self._log = os.fdopen(log, "rb")
        passed = [name.descriptor, slice_.descriptor]
        settings = _settings(options, name, slice_, implementations, ray_directory)
        settings = msgspec.structs.replace(settings, held_fds=passed, ready_fd=ready_fd)
        if owned:
            pid, started = os.getpid(), warden.started_ticks(os.getpid())
            settings = msgspec.structs.replace(settings, owner_pid=pid, owner_started=started)
        try:
            self._process = _spawn(settings, directory, log, [*passed, ready_fd])
        finally:
            os.close(ready_fd)
        name.note_keeper(self._process.pid, ray_directory)

    def wait_ready(self, progress: Progress) -> ClusterRecord:
        """The record of the running cluster. Raises `ClusterError` with the keeper's reason."""
        for line in self._ready:
            message = json.loads(line)
            if "progress" in message:
                progress(message["progress"])
            elif "ready" in message:
                return msgspec.convert(message["ready"], ClusterRecord)
            else:
                raise ClusterError(str(message["error"]))
        self._process.wait()
        raise ClusterError(f"the keeper ended without a word; its log:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        """The end of the log, also when its file is removed already."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LOG_TAIL_LINES:]) or "  (empty)"

    def close(self) -> None:
        """Let go: a keeper that is not ready takes that as the end, a ready one lives on."""
        self._ready.close()
        self._log.close()
        # The keeper outlives this process, or ends before it and is then not left as a zombie.
        threading.Thread(target=self._process.wait, name="reap keeper", daemon=True).start()


def _settings(
    options: StartOptions,
    name: NameClaim,
    slice_: SliceClaim,
    implementations: Implementations,
    ray_directory: Path,
) -> KeeperSettings:
    return KeeperSettings(
        name=name.instance.name,
        directory=str(name.instance.directory),
        ray_directory=str(ray_directory),
        slice=slice_.index,
        control_plane=Slice(slice_.index).control_plane(secrets.randbelow(CONTROL_PLANES)),
        nodes=options.nodes,
        zones=options.zone_names,
        cloud=options.cloud,
        packing=options.packing,
        speed=float(options.speed),
        outside=dict(options.outside),
        stand_in=options.stand_in,
        kube_proxy_mode=options.kube_proxy_mode,
        fsync=options.fsync,
        version=__version__,
        ray_address=options.ray_address,
        bind=options.bind,
        implementations=implementations,
    )


def _spawn(
    settings: KeeperSettings, directory: Path, log: int, passed: list[int]
) -> "subprocess.Popen[bytes]":
    """The keeper in a session of its own, so that the terminal's signals are not for it."""
    settings_path = directory / "settings.json"
    settings_path.write_bytes(msgspec.json.encode(settings))
    workplace = directory / "cwd"  # put on every worker's sys.path by Ray: must stay empty
    workplace.mkdir()
    Path(settings.ray_directory).mkdir(mode=0o700, exist_ok=True)
    arguments: list[Any] = [sys.executable, "-P", "-m", "emucluster.live.keeper", settings_path]
    return subprocess.Popen(
        arguments,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=passed,
        cwd=workplace,
        env=keeper_environment(
            os.environ,
            token_path=directory / TOKEN_FILE,
            own_ray=settings.ray_address is None,
        ),
    )
