"""A control plane in this process, with its HTTPS API and without Ray, nodes or cloud."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from emucluster.core.durations import Speed
from emucluster.live.control.driver import Driver
from emucluster.live.control.front import Front
from emucluster.live.kubeapi.credentials import Credentials
from emucluster.live.kubeapi.serving import Serving
from emucluster.live.kubeapi.streams.ways import Ways

ADDRESS = "127.0.0.1"


@dataclass
class Plane:
    """A running one. `run` calls something in its loop."""

    directory: Path
    serving: Serving
    driver: Driver
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"https://{self.serving.address}"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def run(self, call: Any) -> Any:
        """What `call()` returns; a coroutine is awaited."""

        async def calling() -> Any:
            result = call()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(calling(), self.loop).result(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


@contextmanager
def plane(directory: Path, *, port: int = 0) -> Iterator[Plane]:
    """Serve from `directory`; what an earlier one left there is taken over."""
    ready: list[Plane] = []
    failed: list[BaseException] = []
    started = threading.Event()
    ends: list[asyncio.Event] = []

    async def serve() -> None:
        failures: list[Exception] = []

        async def no_cloud(_command: Any) -> tuple[str, ...]:
            return ()

        driver = Driver(
            directory / "store.sqlite",
            speed=Speed(1.0),
            cloud=None,
            perform=no_cloud,
            on_failure=failures.append,
        )
        driver.start()
        await driver.settled()
        front = Front()
        serving = Serving(
            driver,
            address=ADDRESS,
            credentials=Credentials(directory, "plane"),
            ways=Ways(front.forwarding, inner=ADDRESS, address=ADDRESS, token="of nobody"),
            port=port or free_port(),
        )
        await serving.open(front, ADDRESS)
        end = asyncio.Event()
        ends.append(end)
        ready.append(Plane(directory, serving, driver, asyncio.get_running_loop()))
        started.set()
        await end.wait()
        await serving.aclose(0.5)
        await front.aclose()
        driver.close()

    def main() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=main, name="plane")
    thread.start()
    started.wait()
    try:
        if failed:
            raise failed[0]
        yield ready[0]
    finally:
        for end in ends:
            ready[0].loop.call_soon_threadsafe(end.set)
        thread.join()
    if failed:
        raise failed[0]
