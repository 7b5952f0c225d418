"""`python -P -m emucluster.live.keeper SETTINGS.json`: see `emucluster.client.start`."""

import asyncio
import logging
import os
import resource
import socket
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

import msgspec

from emucluster.core.errors import EmuclusterError, UsageError
from emucluster.live.keeper import ray_head, warden
from emucluster.live.keeper.ready import ReadyPipe
from emucluster.live.keeper.settings import KeeperSettings

LEAVE_DEADLINE_S = 5.0

log = logging.getLogger("emucluster.keeper")


def main() -> None:
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=KeeperSettings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for descriptor in settings.held_fds:
        os.set_inheritable(descriptor, False)
    raise_file_limit()
    mark_processes()
    start_warden(settings)
    pipe = ReadyPipe(settings.ready_fd)
    try:
        run(settings, pipe)
    except (EmuclusterError, OSError) as error:
        log.error("%s", error)
        pipe.fail(str(error))
    except Exception as error:
        log.exception("the keeper failed")
        pipe.fail(f"{type(error).__name__}: {error}")
    # Everything of ours has been stopped in order; what is left of a private Ray, and this
    # instance's directory, is the warden's work from here on.
    os._exit(0)


def run(settings: KeeperSettings, pipe: ReadyPipe) -> None:
    namespace = f"emucluster-{settings.name}"
    if settings.ray_address is None:
        pipe.progress("starting Ray")
        address = ray_head.start_private(settings.ray_directory, namespace)
    else:
        pipe.progress(f"joining Ray at {settings.ray_address}")
        address = join(settings.ray_address, namespace, pipe)
    hosts = ray_head.hosts() if settings.ray_address else [ray_head.private_host()]
    check_bind(settings.bind, several_hosts=len(hosts) > 1)
    if len(hosts) > 1 and settings.bind is None:
        raise UsageError(
            f"Ray at {settings.ray_address} has {len(hosts)} hosts: --bind ADDR must say at which "
            f"address of this one the others reach it (Ray knows it as {hosts[0].address})"
        )

    import uvloop

    from emucluster.live.keeper.run import Keeper

    async def live() -> None:
        await Keeper(settings, address, hosts).run(pipe)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())
    if settings.ray_address is not None:
        leave()


def check_bind(bind: str | None, *, several_hosts: bool) -> None:
    """Raises `UsageError` unless `bind` is one address of this machine, which others may dial."""
    if bind is None:
        return
    try:
        address = IPv4Address(bind)
        socket.create_server((bind, 0)).close()
    except ValueError:
        raise UsageError(f"--bind {bind}: expected an IPv4 address") from None
    except OSError as error:
        raise UsageError(f"--bind {bind}: not an address of this machine: {error}") from None
    if address.is_unspecified or (several_hosts and address.is_loopback):
        raise UsageError(f"--bind {bind}: other machines cannot dial that; name one address")


def join(address: str, namespace: str, pipe: ReadyPipe) -> str:
    """Join somebody's Ray, or end this process with a clear error at the deadline."""
    with ray_head.Deadline(ray_head.JOIN_DEADLINE_S, lambda: pipe.fail(ray_head.refusal(address))):
        return ray_head.join(address, namespace)


def leave() -> None:
    """Tell a Ray that is not ours that this driver ends."""
    import ray

    with ray_head.Deadline(LEAVE_DEADLINE_S, lambda: os._exit(0)):
        ray.shutdown()


def raise_file_limit() -> None:
    """Connections take two descriptors or more here, workers a dozen each in the raylet."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def mark_processes() -> None:
    """From here on every child carries the mark by which it is found, wherever it goes."""
    os.environ[warden.MARK] = f"{os.getpid()}.{warden.started_ticks(os.getpid())}"


def start_warden(settings: KeeperSettings) -> None:
    """A process that outlives this one just long enough to remove what it leaves.

    It holds the reading end of a pipe whose other end only this process has, so the kernel tells it
    of our end even if we are killed. Its environment lacks the mark, and its session is its own.
    """
    lifeline, held = os.pipe()  # neither is inherited, unless passed on
    del held  # kept open for as long as this process lives
    environ = {name: value for name, value in os.environ.items() if name != warden.MARK}
    started = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", str(warden.__file__), str(lifeline)),
            *(str(os.getpid()), str(warden.started_ticks(os.getpid()))),
            *(settings.directory, settings.ray_directory),
        ],
        pass_fds=[lifeline],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environ,
    )
    warden.note(settings.directory, started.pid)
    os.close(lifeline)


if __name__ == "__main__":
    main()
