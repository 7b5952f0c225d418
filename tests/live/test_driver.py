"""When the controllers of a control plane take their steps."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from emucluster.core.durations import Speed
from emucluster.core.objects import ConfigMap, Namespace, ObjectMeta
from emucluster.live.control.driver import Driver

STAMP = "2026-01-01T00:00:00Z"


async def no_cloud(_command: Any) -> tuple[str, ...]:
    return ()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_writes_that_come_during_a_commit_make_one_step_once_it_has_ended(tmp_path: Path) -> None:
    async def run() -> None:
        driver = Driver(
            tmp_path / "db",
            speed=Speed(1.0),
            cloud=None,
            perform=no_cloud,
            on_failure=lambda error: None,
            root_ca="a certificate",
        )
        driver.start()
        await driver.settled()
        await settle()
        steps, disk = 0, threading.Event()
        step, commit = driver.plane.step, driver._durable._commit

        def counted(*arguments: Any) -> Any:
            nonlocal steps
            steps += 1
            return step(*arguments)

        def slow(batches: Any) -> None:
            disk.wait(30)
            commit(batches)

        driver.plane.step = counted  # type: ignore[method-assign]
        driver._durable._commit = slow  # type: ignore[method-assign]
        writes = []
        try:
            for name in ("first", "second", "third"):
                made = Namespace(metadata=ObjectMeta(name=name))

                def decide(made: Namespace = made) -> Namespace:
                    return driver.admission.create(made, stamp=STAMP)

                writes.append(asyncio.ensure_future(driver.write(decide)))
                await settle()
            assert steps == 1, "the first one's, for nothing was being committed"
            assert not any(write.done() for write in writes)
            disk.set()
            async with asyncio.timeout(30):
                await asyncio.gather(*writes)
                while driver.store.get(ConfigMap, "third", "kube-root-ca.crt") is None:
                    assert steps <= 3
                    await asyncio.sleep(0.001)
        finally:
            disk.set()
            driver.close()

    asyncio.run(run())
